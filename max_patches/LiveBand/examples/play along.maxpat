{
 "patcher": {
  "appversion": {
   "architecture": "x64",
   "major": 8,
   "minor": 5,
   "modernui": 1,
   "revision": 5
  },
  "assistshowspatchername": 0,
  "autosave": 0,
  "bgcolor": [
   0.1,
   0.11,
   0.13,
   1.0
  ],
  "bglocked": 0,
  "bottomtoolbarpinned": 0,
  "boxanimatetime": 200,
  "boxes": [
   {
    "box": {
     "fontsize": 20.0,
     "id": "obj-1",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      20.0,
      310.0,
      30.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      12.0,
      480.0,
      30.0
     ],
     "text": "liveband~",
     "textcolor": [
      0.93,
      0.94,
      0.95,
      1.0
     ]
    }
   },
   {
    "box": {
     "fontsize": 13.0,
     "id": "obj-2",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      84.0,
      310.0,
      22.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      52.0,
      480.0,
      22.0
     ],
     "text": "1  run: liveband serve",
     "textcolor": [
      0.62,
      0.66,
      0.7,
      1.0
     ]
    }
   },
   {
    "box": {
     "fontsize": 13.0,
     "id": "obj-3",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      148.0,
      310.0,
      22.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      78.0,
      480.0,
      22.0
     ],
     "text": "2  run: liveband plugin install, then restart Max",
     "textcolor": [
      0.62,
      0.66,
      0.7,
      1.0
     ]
    }
   },
   {
    "box": {
     "fontsize": 13.0,
     "id": "obj-4",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      212.0,
      310.0,
      22.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      104.0,
      480.0,
      22.0
     ],
     "text": "3  turn audio on: the button below",
     "textcolor": [
      0.62,
      0.66,
      0.7,
      1.0
     ]
    }
   },
   {
    "box": {
     "fontsize": 13.0,
     "id": "obj-5",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      276.0,
      310.0,
      22.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      130.0,
      480.0,
      22.0
     ],
     "text": "4  double-click liveband~, press play, and play",
     "textcolor": [
      0.62,
      0.66,
      0.7,
      1.0
     ]
    }
   },
   {
    "box": {
     "fontsize": 13.0,
     "id": "obj-6",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      340.0,
      310.0,
      22.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      156.0,
      480.0,
      22.0
     ],
     "text": "use headphones: the band hears your microphone",
     "textcolor": [
      0.62,
      0.66,
      0.7,
      1.0
     ]
    }
   },
   {
    "box": {
     "fontsize": 13.0,
     "id": "obj-7",
     "maxclass": "newobj",
     "numinlets": 3,
     "numoutlets": 3,
     "outlettype": [
      "signal",
      "signal",
      ""
     ],
     "patching_rect": [
      20.0,
      404.0,
      160.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      260.0,
      160.0,
      24.0
     ],
     "text": "liveband~"
    }
   },
   {
    "box": {
     "id": "obj-8",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "signal",
      "signal"
     ],
     "patching_rect": [
      20.0,
      468.0,
      70.4,
      22.0
     ],
     "text": "adc~"
    }
   },
   {
    "box": {
     "id": "obj-9",
     "maxclass": "ezdac~",
     "numinlets": 2,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      532.0,
      45.0,
      45.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      200.0,
      45.0,
      45.0
     ]
    }
   }
  ],
  "classnamespace": "box",
  "default_fontface": 0,
  "default_fontname": "Arial",
  "default_fontsize": 12.0,
  "dependency_cache": [],
  "description": "How liveband~ is played",
  "devicewidth": 0.0,
  "digest": "",
  "editing_bgcolor": [
   0.1,
   0.11,
   0.13,
   1.0
  ],
  "enablehscroll": 1,
  "enablevscroll": 1,
  "fileversion": 1,
  "gridonopen": 1,
  "gridsize": [
   15.0,
   15.0
  ],
  "gridsnaponopen": 1,
  "lefttoolbarpinned": 0,
  "lines": [
   {
    "patchline": {
     "destination": [
      "obj-7",
      0
     ],
     "order": 0,
     "source": [
      "obj-8",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-9",
      0
     ],
     "order": 0,
     "source": [
      "obj-7",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-7",
      1
     ],
     "order": 1,
     "source": [
      "obj-8",
      1
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-9",
      1
     ],
     "order": 1,
     "source": [
      "obj-7",
      1
     ]
    }
   }
  ],
  "objectsnaponopen": 1,
  "openinpresentation": 1,
  "rect": [
   60.0,
   80.0,
   520.0,
   370.0
  ],
  "righttoolbarpinned": 0,
  "statusbarvisible": 2,
  "style": "",
  "subpatcher_template": "",
  "tags": "",
  "tallnewobj": 0,
  "title": "play along",
  "toolbars_unpinned_last_save": 0,
  "toolbarvisible": 1,
  "toptoolbarpinned": 0
 }
}
