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
      420.0,
      30.0
     ],
     "text": "LiveBand",
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
     "fontsize": 12.0,
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
      44.0,
      624.0,
      22.0
     ],
     "text": "audio through the plug-in; Max's transport is the band's",
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
     "id": "obj-3",
     "maxclass": "newobj",
     "numinlets": 2,
     "numoutlets": 7,
     "outlettype": [
      "signal",
      "signal",
      "",
      "",
      "",
      "",
      ""
     ],
     "patching_rect": [
      20.0,
      148.0,
      156.2,
      22.0
     ],
     "text": "vst~ 2 2 LiveBand"
    }
   },
   {
    "box": {
     "comment": "left of what the band hears",
     "id": "obj-4",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      20.0,
      212.0,
      83.6,
      22.0
     ],
     "text": "inlet~"
    }
   },
   {
    "box": {
     "comment": "left of the band",
     "id": "obj-5",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      276.0,
      90.19999999999999,
      22.0
     ],
     "text": "outlet~"
    }
   },
   {
    "box": {
     "comment": "right of what the band hears",
     "id": "obj-6",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      20.0,
      340.0,
      83.6,
      22.0
     ],
     "text": "inlet~"
    }
   },
   {
    "box": {
     "comment": "right of the band",
     "id": "obj-7",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      404.0,
      90.19999999999999,
      22.0
     ],
     "text": "outlet~"
    }
   },
   {
    "box": {
     "comment": "a control and its value, or open",
     "id": "obj-8",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      20.0,
      468.0,
      77.0,
      22.0
     ],
     "text": "inlet"
    }
   },
   {
    "box": {
     "id": "obj-9",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      "bang"
     ],
     "patching_rect": [
      20.0,
      532.0,
      96.8,
      22.0
     ],
     "text": "loadbang"
    }
   },
   {
    "box": {
     "id": "obj-10",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      20.0,
      596.0,
      162.8,
      22.0
     ],
     "text": "plug_vst3 LiveBand"
    }
   },
   {
    "box": {
     "id": "obj-11",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 28,
     "outlettype": [
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      ""
     ],
     "patching_rect": [
      20.0,
      660.0,
      310.0,
      22.0
     ],
     "text": "route stem mix gain variation adherence density brightness seed reset freeze listen mode anticipation when_silent time_feel tempo_low tempo_high tacet fade mute intensity quantise count_in next_section tap quality open"
    }
   },
   {
    "box": {
     "id": "obj-12",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      20.0,
      724.0,
      70.4,
      22.0
     ],
     "text": "open"
    }
   },
   {
    "box": {
     "fontsize": 12.0,
     "id": "obj-13",
     "maxclass": "live.text",
     "mode": 0,
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "parameter_enable": 1,
     "patching_rect": [
      20.0,
      788.0,
      120.0,
      26.0
     ],
     "presentation": 1,
     "presentation_rect": [
      524.0,
      16.0,
      120.0,
      26.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_enum": [
        "off",
        "on"
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "window",
       "parameter_mmax": 1,
       "parameter_shortname": "window",
       "parameter_type": 2
      }
     },
     "text": "window",
     "texton": "window",
     "varname": "window"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-14",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      350.0,
      20.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      78.0,
      96.0,
      20.0
     ],
     "text": "stem",
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
     "fontsize": 12.0,
     "id": "obj-15",
     "maxclass": "live.menu",
     "numinlets": 1,
     "numoutlets": 3,
     "outlettype": [
      "",
      "",
      "float"
     ],
     "parameter_enable": 1,
     "patching_rect": [
      350.0,
      84.0,
      96.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      100.0,
      96.0,
      24.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_enum": [
        "drums",
        "bass",
        "piano",
        "guitar"
       ],
       "parameter_initial": [
        1
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "stem",
       "parameter_mmax": 3,
       "parameter_shortname": "stem",
       "parameter_type": 2
      }
     },
     "varname": "stem"
    }
   },
   {
    "box": {
     "id": "obj-16",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      148.0,
      103.4,
      22.0
     ],
     "text": "prepend 1"
    }
   },
   {
    "box": {
     "id": "obj-17",
     "maxclass": "newobj",
     "numinlets": 6,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      212.0,
      143.0,
      22.0
     ],
     "text": "scale 0 3 0. 1."
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-18",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      350.0,
      276.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      124.0,
      78.0,
      96.0,
      20.0
     ],
     "text": "mix",
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
     "activedialcolor": [
      0.36,
      0.78,
      0.62,
      1.0
     ],
     "fontsize": 11.0,
     "id": "obj-19",
     "maxclass": "live.dial",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      "float"
     ],
     "parameter_enable": 1,
     "patching_rect": [
      350.0,
      340.0,
      96.0,
      56.0
     ],
     "presentation": 1,
     "presentation_rect": [
      124.0,
      98.0,
      96.0,
      58.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_initial": [
        1
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "mix",
       "parameter_mmax": 1,
       "parameter_mmin": 0,
       "parameter_shortname": "mix",
       "parameter_type": 0,
       "parameter_unitstyle": 1
      }
     },
     "showname": 0,
     "varname": "mix"
    }
   },
   {
    "box": {
     "id": "obj-20",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      404.0,
      103.4,
      22.0
     ],
     "text": "prepend 2"
    }
   },
   {
    "box": {
     "id": "obj-21",
     "maxclass": "newobj",
     "numinlets": 6,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      468.0,
      143.0,
      22.0
     ],
     "text": "scale 0 1 0. 1."
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-22",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      350.0,
      532.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      228.0,
      78.0,
      96.0,
      20.0
     ],
     "text": "gain (dB)",
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
     "activedialcolor": [
      0.36,
      0.78,
      0.62,
      1.0
     ],
     "fontsize": 11.0,
     "id": "obj-23",
     "maxclass": "live.dial",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      "float"
     ],
     "parameter_enable": 1,
     "patching_rect": [
      350.0,
      596.0,
      96.0,
      56.0
     ],
     "presentation": 1,
     "presentation_rect": [
      228.0,
      98.0,
      96.0,
      58.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_initial": [
        0
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "gain",
       "parameter_mmax": 24,
       "parameter_mmin": -60,
       "parameter_shortname": "gain",
       "parameter_type": 0,
       "parameter_unitstyle": 1
      }
     },
     "showname": 0,
     "varname": "gain"
    }
   },
   {
    "box": {
     "id": "obj-24",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      660.0,
      103.4,
      22.0
     ],
     "text": "prepend 3"
    }
   },
   {
    "box": {
     "id": "obj-25",
     "maxclass": "newobj",
     "numinlets": 6,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      724.0,
      162.8,
      22.0
     ],
     "text": "scale -60 24 0. 1."
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-26",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      350.0,
      788.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      332.0,
      78.0,
      96.0,
      20.0
     ],
     "text": "variation",
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
     "activedialcolor": [
      0.36,
      0.78,
      0.62,
      1.0
     ],
     "fontsize": 11.0,
     "id": "obj-27",
     "maxclass": "live.dial",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      "float"
     ],
     "parameter_enable": 1,
     "patching_rect": [
      350.0,
      852.0,
      96.0,
      56.0
     ],
     "presentation": 1,
     "presentation_rect": [
      332.0,
      98.0,
      96.0,
      58.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_initial": [
        1
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "variation",
       "parameter_mmax": 2,
       "parameter_mmin": 0,
       "parameter_shortname": "variation",
       "parameter_type": 0,
       "parameter_unitstyle": 1
      }
     },
     "showname": 0,
     "varname": "variation"
    }
   },
   {
    "box": {
     "id": "obj-28",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      916.0,
      103.4,
      22.0
     ],
     "text": "prepend 4"
    }
   },
   {
    "box": {
     "id": "obj-29",
     "maxclass": "newobj",
     "numinlets": 6,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      980.0,
      143.0,
      22.0
     ],
     "text": "scale 0 2 0. 1."
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-30",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      350.0,
      1044.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      436.0,
      78.0,
      96.0,
      20.0
     ],
     "text": "adherence",
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
     "activedialcolor": [
      0.36,
      0.78,
      0.62,
      1.0
     ],
     "fontsize": 11.0,
     "id": "obj-31",
     "maxclass": "live.dial",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      "float"
     ],
     "parameter_enable": 1,
     "patching_rect": [
      350.0,
      1108.0,
      96.0,
      56.0
     ],
     "presentation": 1,
     "presentation_rect": [
      436.0,
      98.0,
      96.0,
      58.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_initial": [
        1
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "adherence",
       "parameter_mmax": 4,
       "parameter_mmin": 0,
       "parameter_shortname": "adherence",
       "parameter_type": 0,
       "parameter_unitstyle": 1
      }
     },
     "showname": 0,
     "varname": "adherence"
    }
   },
   {
    "box": {
     "id": "obj-32",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      1172.0,
      103.4,
      22.0
     ],
     "text": "prepend 5"
    }
   },
   {
    "box": {
     "id": "obj-33",
     "maxclass": "newobj",
     "numinlets": 6,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      1236.0,
      143.0,
      22.0
     ],
     "text": "scale 0 4 0. 1."
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-34",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      350.0,
      1300.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      540.0,
      78.0,
      96.0,
      20.0
     ],
     "text": "density",
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
     "activedialcolor": [
      0.36,
      0.78,
      0.62,
      1.0
     ],
     "fontsize": 11.0,
     "id": "obj-35",
     "maxclass": "live.dial",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      "float"
     ],
     "parameter_enable": 1,
     "patching_rect": [
      350.0,
      1364.0,
      96.0,
      56.0
     ],
     "presentation": 1,
     "presentation_rect": [
      540.0,
      98.0,
      96.0,
      58.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_initial": [
        0.5
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "density",
       "parameter_mmax": 1,
       "parameter_mmin": 0,
       "parameter_shortname": "density",
       "parameter_type": 0,
       "parameter_unitstyle": 1
      }
     },
     "showname": 0,
     "varname": "density"
    }
   },
   {
    "box": {
     "id": "obj-36",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      1428.0,
      103.4,
      22.0
     ],
     "text": "prepend 6"
    }
   },
   {
    "box": {
     "id": "obj-37",
     "maxclass": "newobj",
     "numinlets": 6,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      1492.0,
      143.0,
      22.0
     ],
     "text": "scale 0 1 0. 1."
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-38",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      680.0,
      20.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      162.0,
      96.0,
      20.0
     ],
     "text": "brightness",
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
     "activedialcolor": [
      0.36,
      0.78,
      0.62,
      1.0
     ],
     "fontsize": 11.0,
     "id": "obj-39",
     "maxclass": "live.dial",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      "float"
     ],
     "parameter_enable": 1,
     "patching_rect": [
      680.0,
      84.0,
      96.0,
      56.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      182.0,
      96.0,
      58.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_initial": [
        0.5
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "brightness",
       "parameter_mmax": 1,
       "parameter_mmin": 0,
       "parameter_shortname": "brightness",
       "parameter_type": 0,
       "parameter_unitstyle": 1
      }
     },
     "showname": 0,
     "varname": "brightness"
    }
   },
   {
    "box": {
     "id": "obj-40",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      148.0,
      103.4,
      22.0
     ],
     "text": "prepend 7"
    }
   },
   {
    "box": {
     "id": "obj-41",
     "maxclass": "newobj",
     "numinlets": 6,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      212.0,
      143.0,
      22.0
     ],
     "text": "scale 0 1 0. 1."
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-42",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      680.0,
      276.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      124.0,
      162.0,
      96.0,
      20.0
     ],
     "text": "seed",
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
     "fontsize": 12.0,
     "id": "obj-43",
     "maxclass": "live.numbox",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      "float"
     ],
     "parameter_enable": 1,
     "patching_rect": [
      680.0,
      340.0,
      96.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      124.0,
      184.0,
      96.0,
      24.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_initial": [
        0
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "seed",
       "parameter_mmax": 16777215,
       "parameter_mmin": 0,
       "parameter_shortname": "seed",
       "parameter_type": 0,
       "parameter_unitstyle": 0
      }
     },
     "varname": "seed"
    }
   },
   {
    "box": {
     "id": "obj-44",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      404.0,
      103.4,
      22.0
     ],
     "text": "prepend 8"
    }
   },
   {
    "box": {
     "id": "obj-45",
     "maxclass": "newobj",
     "numinlets": 6,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      468.0,
      189.2,
      22.0
     ],
     "text": "scale 0 16777215 0. 1."
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-46",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      680.0,
      532.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      228.0,
      162.0,
      96.0,
      20.0
     ],
     "text": "reset",
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
     "fontsize": 12.0,
     "id": "obj-47",
     "maxclass": "live.text",
     "mode": 0,
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "parameter_enable": 1,
     "patching_rect": [
      680.0,
      596.0,
      96.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      228.0,
      184.0,
      96.0,
      24.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_enum": [
        "off",
        "on"
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "reset",
       "parameter_mmax": 1,
       "parameter_shortname": "reset",
       "parameter_type": 2
      }
     },
     "text": "reset",
     "texton": "reset",
     "varname": "reset"
    }
   },
   {
    "box": {
     "id": "obj-48",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      660.0,
      103.4,
      22.0
     ],
     "text": "prepend 9"
    }
   },
   {
    "box": {
     "id": "obj-49",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      724.0,
      60.0,
      22.0
     ],
     "text": "1."
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-50",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      680.0,
      788.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      332.0,
      162.0,
      96.0,
      20.0
     ],
     "text": "freeze",
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
     "fontsize": 12.0,
     "id": "obj-51",
     "maxclass": "live.text",
     "mode": 1,
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "parameter_enable": 1,
     "patching_rect": [
      680.0,
      852.0,
      96.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      332.0,
      184.0,
      96.0,
      24.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_enum": [
        "off",
        "on"
       ],
       "parameter_initial": [
        0
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "freeze",
       "parameter_mmax": 1,
       "parameter_shortname": "freeze",
       "parameter_type": 2
      }
     },
     "text": "off",
     "texton": "on",
     "varname": "freeze"
    }
   },
   {
    "box": {
     "id": "obj-52",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      916.0,
      110.0,
      22.0
     ],
     "text": "prepend 10"
    }
   },
   {
    "box": {
     "id": "obj-53",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      "float"
     ],
     "patching_rect": [
      680.0,
      980.0,
      143.0,
      22.0
     ],
     "text": "expr float($f1)"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-54",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      680.0,
      1044.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      436.0,
      162.0,
      96.0,
      20.0
     ],
     "text": "listen",
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
     "fontsize": 12.0,
     "id": "obj-55",
     "maxclass": "live.text",
     "mode": 1,
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "parameter_enable": 1,
     "patching_rect": [
      680.0,
      1108.0,
      96.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      436.0,
      184.0,
      96.0,
      24.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_enum": [
        "off",
        "on"
       ],
       "parameter_initial": [
        1
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "listen",
       "parameter_mmax": 1,
       "parameter_shortname": "listen",
       "parameter_type": 2
      }
     },
     "text": "off",
     "texton": "on",
     "varname": "listen"
    }
   },
   {
    "box": {
     "id": "obj-56",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      1172.0,
      110.0,
      22.0
     ],
     "text": "prepend 11"
    }
   },
   {
    "box": {
     "id": "obj-57",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      "float"
     ],
     "patching_rect": [
      680.0,
      1236.0,
      143.0,
      22.0
     ],
     "text": "expr float($f1)"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-58",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      680.0,
      1300.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      540.0,
      162.0,
      96.0,
      20.0
     ],
     "text": "mode",
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
     "fontsize": 12.0,
     "id": "obj-59",
     "maxclass": "live.menu",
     "numinlets": 1,
     "numoutlets": 3,
     "outlettype": [
      "",
      "",
      "float"
     ],
     "parameter_enable": 1,
     "patching_rect": [
      680.0,
      1364.0,
      96.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      540.0,
      184.0,
      96.0,
      24.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_enum": [
        "live",
        "aligned",
        "bounce",
        "manual"
       ],
       "parameter_initial": [
        0
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "mode",
       "parameter_mmax": 3,
       "parameter_shortname": "mode",
       "parameter_type": 2
      }
     },
     "varname": "mode"
    }
   },
   {
    "box": {
     "id": "obj-60",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      1428.0,
      110.0,
      22.0
     ],
     "text": "prepend 12"
    }
   },
   {
    "box": {
     "id": "obj-61",
     "maxclass": "newobj",
     "numinlets": 6,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      1492.0,
      143.0,
      22.0
     ],
     "text": "scale 0 3 0. 1."
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-62",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      1010.0,
      20.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      246.0,
      96.0,
      20.0
     ],
     "text": "anticipation (ms)",
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
     "activedialcolor": [
      0.36,
      0.78,
      0.62,
      1.0
     ],
     "fontsize": 11.0,
     "id": "obj-63",
     "maxclass": "live.dial",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      "float"
     ],
     "parameter_enable": 1,
     "patching_rect": [
      1010.0,
      84.0,
      96.0,
      56.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      266.0,
      96.0,
      58.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_initial": [
        40
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "anticipation",
       "parameter_mmax": 1000,
       "parameter_mmin": 0,
       "parameter_shortname": "anticipation",
       "parameter_type": 0,
       "parameter_unitstyle": 1
      }
     },
     "showname": 0,
     "varname": "anticipation"
    }
   },
   {
    "box": {
     "id": "obj-64",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      148.0,
      110.0,
      22.0
     ],
     "text": "prepend 13"
    }
   },
   {
    "box": {
     "id": "obj-65",
     "maxclass": "newobj",
     "numinlets": 6,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      212.0,
      162.8,
      22.0
     ],
     "text": "scale 0 1000 0. 1."
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-66",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      1010.0,
      276.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      124.0,
      246.0,
      96.0,
      20.0
     ],
     "text": "when silent",
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
     "fontsize": 12.0,
     "id": "obj-67",
     "maxclass": "live.menu",
     "numinlets": 1,
     "numoutlets": 3,
     "outlettype": [
      "",
      "",
      "float"
     ],
     "parameter_enable": 1,
     "patching_rect": [
      1010.0,
      340.0,
      96.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      124.0,
      268.0,
      96.0,
      24.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_enum": [
        "auto",
        "rest",
        "play_on"
       ],
       "parameter_initial": [
        0
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "when_silent",
       "parameter_mmax": 2,
       "parameter_shortname": "when silent",
       "parameter_type": 2
      }
     },
     "varname": "when_silent"
    }
   },
   {
    "box": {
     "id": "obj-68",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      404.0,
      110.0,
      22.0
     ],
     "text": "prepend 19"
    }
   },
   {
    "box": {
     "id": "obj-69",
     "maxclass": "newobj",
     "numinlets": 6,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      468.0,
      143.0,
      22.0
     ],
     "text": "scale 0 2 0. 1."
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-70",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      1010.0,
      532.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      228.0,
      246.0,
      96.0,
      20.0
     ],
     "text": "time feel",
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
     "fontsize": 12.0,
     "id": "obj-71",
     "maxclass": "live.menu",
     "numinlets": 1,
     "numoutlets": 3,
     "outlettype": [
      "",
      "",
      "float"
     ],
     "parameter_enable": 1,
     "patching_rect": [
      1010.0,
      596.0,
      96.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      228.0,
      268.0,
      96.0,
      24.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_enum": [
        "half",
        "as_heard",
        "double"
       ],
       "parameter_initial": [
        1
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "time_feel",
       "parameter_mmax": 2,
       "parameter_shortname": "time feel",
       "parameter_type": 2
      }
     },
     "varname": "time_feel"
    }
   },
   {
    "box": {
     "id": "obj-72",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      660.0,
      110.0,
      22.0
     ],
     "text": "prepend 20"
    }
   },
   {
    "box": {
     "id": "obj-73",
     "maxclass": "newobj",
     "numinlets": 6,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      724.0,
      143.0,
      22.0
     ],
     "text": "scale 0 2 0. 1."
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-74",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      1010.0,
      788.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      332.0,
      246.0,
      96.0,
      20.0
     ],
     "text": "tempo low (BPM)",
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
     "activedialcolor": [
      0.36,
      0.78,
      0.62,
      1.0
     ],
     "fontsize": 11.0,
     "id": "obj-75",
     "maxclass": "live.dial",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      "float"
     ],
     "parameter_enable": 1,
     "patching_rect": [
      1010.0,
      852.0,
      96.0,
      56.0
     ],
     "presentation": 1,
     "presentation_rect": [
      332.0,
      266.0,
      96.0,
      58.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_initial": [
        20
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "tempo_low",
       "parameter_mmax": 400,
       "parameter_mmin": 20,
       "parameter_shortname": "tempo low",
       "parameter_type": 0,
       "parameter_unitstyle": 1
      }
     },
     "showname": 0,
     "varname": "tempo_low"
    }
   },
   {
    "box": {
     "id": "obj-76",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      916.0,
      110.0,
      22.0
     ],
     "text": "prepend 21"
    }
   },
   {
    "box": {
     "id": "obj-77",
     "maxclass": "newobj",
     "numinlets": 6,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      980.0,
      162.8,
      22.0
     ],
     "text": "scale 20 400 0. 1."
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-78",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      1010.0,
      1044.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      436.0,
      246.0,
      96.0,
      20.0
     ],
     "text": "tempo high (BPM)",
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
     "activedialcolor": [
      0.36,
      0.78,
      0.62,
      1.0
     ],
     "fontsize": 11.0,
     "id": "obj-79",
     "maxclass": "live.dial",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      "float"
     ],
     "parameter_enable": 1,
     "patching_rect": [
      1010.0,
      1108.0,
      96.0,
      56.0
     ],
     "presentation": 1,
     "presentation_rect": [
      436.0,
      266.0,
      96.0,
      58.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_initial": [
        400
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "tempo_high",
       "parameter_mmax": 400,
       "parameter_mmin": 20,
       "parameter_shortname": "tempo high",
       "parameter_type": 0,
       "parameter_unitstyle": 1
      }
     },
     "showname": 0,
     "varname": "tempo_high"
    }
   },
   {
    "box": {
     "id": "obj-80",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      1172.0,
      110.0,
      22.0
     ],
     "text": "prepend 22"
    }
   },
   {
    "box": {
     "id": "obj-81",
     "maxclass": "newobj",
     "numinlets": 6,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      1236.0,
      162.8,
      22.0
     ],
     "text": "scale 20 400 0. 1."
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-82",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      1010.0,
      1300.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      540.0,
      246.0,
      96.0,
      20.0
     ],
     "text": "tacet",
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
     "fontsize": 12.0,
     "id": "obj-83",
     "maxclass": "live.text",
     "mode": 1,
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "parameter_enable": 1,
     "patching_rect": [
      1010.0,
      1364.0,
      96.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      540.0,
      268.0,
      96.0,
      24.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_enum": [
        "off",
        "on"
       ],
       "parameter_initial": [
        0
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "tacet",
       "parameter_mmax": 1,
       "parameter_shortname": "tacet",
       "parameter_type": 2
      }
     },
     "text": "off",
     "texton": "on",
     "varname": "tacet"
    }
   },
   {
    "box": {
     "id": "obj-84",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      1428.0,
      110.0,
      22.0
     ],
     "text": "prepend 23"
    }
   },
   {
    "box": {
     "id": "obj-85",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      "float"
     ],
     "patching_rect": [
      1010.0,
      1492.0,
      143.0,
      22.0
     ],
     "text": "expr float($f1)"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-86",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      1340.0,
      20.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      330.0,
      96.0,
      20.0
     ],
     "text": "fade (beats)",
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
     "activedialcolor": [
      0.36,
      0.78,
      0.62,
      1.0
     ],
     "fontsize": 11.0,
     "id": "obj-87",
     "maxclass": "live.dial",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      "float"
     ],
     "parameter_enable": 1,
     "patching_rect": [
      1340.0,
      84.0,
      96.0,
      56.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      350.0,
      96.0,
      58.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_initial": [
        2
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "fade",
       "parameter_mmax": 32,
       "parameter_mmin": 0,
       "parameter_shortname": "fade",
       "parameter_type": 0,
       "parameter_unitstyle": 1
      }
     },
     "showname": 0,
     "varname": "fade"
    }
   },
   {
    "box": {
     "id": "obj-88",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      148.0,
      110.0,
      22.0
     ],
     "text": "prepend 24"
    }
   },
   {
    "box": {
     "id": "obj-89",
     "maxclass": "newobj",
     "numinlets": 6,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      212.0,
      149.6,
      22.0
     ],
     "text": "scale 0 32 0. 1."
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-90",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      1340.0,
      276.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      124.0,
      330.0,
      96.0,
      20.0
     ],
     "text": "mute",
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
     "fontsize": 12.0,
     "id": "obj-91",
     "maxclass": "live.text",
     "mode": 1,
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "parameter_enable": 1,
     "patching_rect": [
      1340.0,
      340.0,
      96.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      124.0,
      352.0,
      96.0,
      24.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_enum": [
        "off",
        "on"
       ],
       "parameter_initial": [
        0
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "mute",
       "parameter_mmax": 1,
       "parameter_shortname": "mute",
       "parameter_type": 2
      }
     },
     "text": "off",
     "texton": "on",
     "varname": "mute"
    }
   },
   {
    "box": {
     "id": "obj-92",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      404.0,
      110.0,
      22.0
     ],
     "text": "prepend 25"
    }
   },
   {
    "box": {
     "id": "obj-93",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      "float"
     ],
     "patching_rect": [
      1340.0,
      468.0,
      143.0,
      22.0
     ],
     "text": "expr float($f1)"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-94",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      1340.0,
      532.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      228.0,
      330.0,
      96.0,
      20.0
     ],
     "text": "intensity",
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
     "activedialcolor": [
      0.36,
      0.78,
      0.62,
      1.0
     ],
     "fontsize": 11.0,
     "id": "obj-95",
     "maxclass": "live.dial",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      "float"
     ],
     "parameter_enable": 1,
     "patching_rect": [
      1340.0,
      596.0,
      96.0,
      56.0
     ],
     "presentation": 1,
     "presentation_rect": [
      228.0,
      350.0,
      96.0,
      58.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_initial": [
        0.5
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "intensity",
       "parameter_mmax": 1,
       "parameter_mmin": 0,
       "parameter_shortname": "intensity",
       "parameter_type": 0,
       "parameter_unitstyle": 1
      }
     },
     "showname": 0,
     "varname": "intensity"
    }
   },
   {
    "box": {
     "id": "obj-96",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      660.0,
      110.0,
      22.0
     ],
     "text": "prepend 26"
    }
   },
   {
    "box": {
     "id": "obj-97",
     "maxclass": "newobj",
     "numinlets": 6,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      724.0,
      143.0,
      22.0
     ],
     "text": "scale 0 1 0. 1."
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-98",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      1340.0,
      788.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      332.0,
      330.0,
      96.0,
      20.0
     ],
     "text": "quantise",
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
     "fontsize": 12.0,
     "id": "obj-99",
     "maxclass": "live.menu",
     "numinlets": 1,
     "numoutlets": 3,
     "outlettype": [
      "",
      "",
      "float"
     ],
     "parameter_enable": 1,
     "patching_rect": [
      1340.0,
      852.0,
      96.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      332.0,
      352.0,
      96.0,
      24.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_enum": [
        "at_once",
        "next_beat",
        "next_bar"
       ],
       "parameter_initial": [
        0
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "quantise",
       "parameter_mmax": 2,
       "parameter_shortname": "quantise",
       "parameter_type": 2
      }
     },
     "varname": "quantise"
    }
   },
   {
    "box": {
     "id": "obj-100",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      916.0,
      110.0,
      22.0
     ],
     "text": "prepend 27"
    }
   },
   {
    "box": {
     "id": "obj-101",
     "maxclass": "newobj",
     "numinlets": 6,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      980.0,
      143.0,
      22.0
     ],
     "text": "scale 0 2 0. 1."
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-102",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      1340.0,
      1044.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      436.0,
      330.0,
      96.0,
      20.0
     ],
     "text": "count in",
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
     "fontsize": 12.0,
     "id": "obj-103",
     "maxclass": "live.text",
     "mode": 0,
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "parameter_enable": 1,
     "patching_rect": [
      1340.0,
      1108.0,
      96.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      436.0,
      352.0,
      96.0,
      24.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_enum": [
        "off",
        "on"
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "count_in",
       "parameter_mmax": 1,
       "parameter_shortname": "count in",
       "parameter_type": 2
      }
     },
     "text": "count in",
     "texton": "count in",
     "varname": "count_in"
    }
   },
   {
    "box": {
     "id": "obj-104",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      1172.0,
      110.0,
      22.0
     ],
     "text": "prepend 28"
    }
   },
   {
    "box": {
     "id": "obj-105",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      1236.0,
      60.0,
      22.0
     ],
     "text": "1."
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-106",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      1340.0,
      1300.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      540.0,
      330.0,
      96.0,
      20.0
     ],
     "text": "next section",
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
     "fontsize": 12.0,
     "id": "obj-107",
     "maxclass": "live.text",
     "mode": 0,
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "parameter_enable": 1,
     "patching_rect": [
      1340.0,
      1364.0,
      96.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      540.0,
      352.0,
      96.0,
      24.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_enum": [
        "off",
        "on"
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "next_section",
       "parameter_mmax": 1,
       "parameter_shortname": "next section",
       "parameter_type": 2
      }
     },
     "text": "next section",
     "texton": "next section",
     "varname": "next_section"
    }
   },
   {
    "box": {
     "id": "obj-108",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      1428.0,
      110.0,
      22.0
     ],
     "text": "prepend 29"
    }
   },
   {
    "box": {
     "id": "obj-109",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      1492.0,
      60.0,
      22.0
     ],
     "text": "1."
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-110",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      1670.0,
      20.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      414.0,
      96.0,
      20.0
     ],
     "text": "tap",
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
     "fontsize": 12.0,
     "id": "obj-111",
     "maxclass": "live.text",
     "mode": 0,
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "parameter_enable": 1,
     "patching_rect": [
      1670.0,
      84.0,
      96.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      436.0,
      96.0,
      24.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_enum": [
        "off",
        "on"
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "tap",
       "parameter_mmax": 1,
       "parameter_shortname": "tap",
       "parameter_type": 2
      }
     },
     "text": "tap",
     "texton": "tap",
     "varname": "tap"
    }
   },
   {
    "box": {
     "id": "obj-112",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1670.0,
      148.0,
      110.0,
      22.0
     ],
     "text": "prepend 30"
    }
   },
   {
    "box": {
     "id": "obj-113",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1670.0,
      212.0,
      60.0,
      22.0
     ],
     "text": "1."
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-114",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      1670.0,
      276.0,
      96.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      124.0,
      414.0,
      96.0,
      20.0
     ],
     "text": "quality",
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
     "fontsize": 12.0,
     "id": "obj-115",
     "maxclass": "live.menu",
     "numinlets": 1,
     "numoutlets": 3,
     "outlettype": [
      "",
      "",
      "float"
     ],
     "parameter_enable": 1,
     "patching_rect": [
      1670.0,
      340.0,
      96.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      124.0,
      436.0,
      96.0,
      24.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_enum": [
        "draft",
        "fast",
        "fine",
        "full"
       ],
       "parameter_initial": [
        1
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "quality",
       "parameter_mmax": 3,
       "parameter_shortname": "quality",
       "parameter_type": 2
      }
     },
     "varname": "quality"
    }
   },
   {
    "box": {
     "id": "obj-116",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1670.0,
      404.0,
      110.0,
      22.0
     ],
     "text": "prepend 31"
    }
   },
   {
    "box": {
     "id": "obj-117",
     "maxclass": "newobj",
     "numinlets": 6,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1670.0,
      468.0,
      143.0,
      22.0
     ],
     "text": "scale 0 3 0. 1."
    }
   },
   {
    "box": {
     "id": "obj-118",
     "maxclass": "newobj",
     "numinlets": 2,
     "numoutlets": 9,
     "outlettype": [
      "int",
      "int",
      "float",
      "float",
      "float",
      "",
      "int",
      "float",
      "int"
     ],
     "patching_rect": [
      2000.0,
      20.0,
      103.4,
      22.0
     ],
     "text": "transport"
    }
   },
   {
    "box": {
     "fontsize": 12.0,
     "id": "obj-119",
     "maxclass": "live.text",
     "mode": 1,
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "parameter_enable": 1,
     "patching_rect": [
      2000.0,
      84.0,
      90.0,
      30.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      528.0,
      90.0,
      30.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_enum": [
        "play",
        "stop"
       ],
       "parameter_initial": [
        0.0
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "transport",
       "parameter_mmax": 1,
       "parameter_shortname": "transport",
       "parameter_type": 2
      }
     },
     "text": "play",
     "texton": "stop",
     "varname": "transport"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-120",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2000.0,
      148.0,
      100.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      120.0,
      508.0,
      100.0,
      20.0
     ],
     "text": "tempo (bpm)",
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
     "fontsize": 14.0,
     "id": "obj-121",
     "maxclass": "live.numbox",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      "float"
     ],
     "parameter_enable": 1,
     "patching_rect": [
      2000.0,
      212.0,
      100.0,
      26.0
     ],
     "presentation": 1,
     "presentation_rect": [
      120.0,
      530.0,
      100.0,
      26.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_initial": [
        120.0
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "tempo",
       "parameter_mmax": 400.0,
       "parameter_mmin": 20.0,
       "parameter_shortname": "tempo",
       "parameter_type": 0,
       "parameter_unitstyle": 1
      }
     },
     "varname": "tempo"
    }
   },
   {
    "box": {
     "id": "obj-122",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      276.0,
      129.8,
      22.0
     ],
     "text": "prepend tempo"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-123",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2000.0,
      340.0,
      90.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      230.0,
      508.0,
      90.0,
      20.0
     ],
     "text": "beats per bar",
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
     "fontsize": 14.0,
     "id": "obj-124",
     "maxclass": "live.numbox",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      "float"
     ],
     "parameter_enable": 1,
     "patching_rect": [
      2000.0,
      404.0,
      90.0,
      26.0
     ],
     "presentation": 1,
     "presentation_rect": [
      230.0,
      530.0,
      90.0,
      26.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_initial": [
        4
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "beats_per_bar",
       "parameter_mmax": 16,
       "parameter_mmin": 1,
       "parameter_shortname": "beats per bar",
       "parameter_type": 1,
       "parameter_unitstyle": 0
      }
     },
     "varname": "beats_per_bar"
    }
   },
   {
    "box": {
     "id": "obj-125",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      468.0,
      123.19999999999999,
      22.0
     ],
     "text": "timesig $1 4"
    }
   },
   {
    "box": {
     "id": "obj-126",
     "maxclass": "newobj",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [
      "bang"
     ],
     "patching_rect": [
      2000.0,
      532.0,
      248.6,
      22.0
     ],
     "text": "metro 4n @active 1 @quantize 4n"
    }
   },
   {
    "box": {
     "comment": "cues: bar n, beat n",
     "id": "obj-127",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2000.0,
      596.0,
      83.6,
      22.0
     ],
     "text": "outlet"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-128",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2000.0,
      660.0,
      100.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      330.0,
      508.0,
      100.0,
      20.0
     ],
     "text": "bar",
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
     "fontsize": 26.0,
     "id": "obj-129",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2000.0,
      724.0,
      110.0,
      34.0
     ],
     "presentation": 1,
     "presentation_rect": [
      330.0,
      528.0,
      110.0,
      34.0
     ],
     "text": "-",
     "textcolor": [
      0.36,
      0.78,
      0.62,
      1.0
     ]
    }
   },
   {
    "box": {
     "id": "obj-130",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 3,
     "outlettype": [
      "int",
      "int",
      "int"
     ],
     "patching_rect": [
      2000.0,
      788.0,
      83.6,
      22.0
     ],
     "text": "change"
    }
   },
   {
    "box": {
     "id": "obj-131",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      852.0,
      116.6,
      22.0
     ],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-132",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      916.0,
      116.6,
      22.0
     ],
     "text": "prepend bar"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-133",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2000.0,
      980.0,
      100.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      450.0,
      508.0,
      100.0,
      20.0
     ],
     "text": "beat",
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
     "fontsize": 26.0,
     "id": "obj-134",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2000.0,
      1044.0,
      110.0,
      34.0
     ],
     "presentation": 1,
     "presentation_rect": [
      450.0,
      528.0,
      110.0,
      34.0
     ],
     "text": "-",
     "textcolor": [
      0.36,
      0.78,
      0.62,
      1.0
     ]
    }
   },
   {
    "box": {
     "id": "obj-135",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 3,
     "outlettype": [
      "int",
      "int",
      "int"
     ],
     "patching_rect": [
      2000.0,
      1108.0,
      83.6,
      22.0
     ],
     "text": "change"
    }
   },
   {
    "box": {
     "id": "obj-136",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      1172.0,
      116.6,
      22.0
     ],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-137",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      1236.0,
      123.19999999999999,
      22.0
     ],
     "text": "prepend beat"
    }
   },
   {
    "box": {
     "id": "obj-138",
     "maxclass": "newobj",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      20.0,
      96.8,
      22.0
     ],
     "text": "gate 1 0"
    }
   },
   {
    "box": {
     "id": "obj-139",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      "bang"
     ],
     "patching_rect": [
      2330.0,
      84.0,
      96.8,
      22.0
     ],
     "text": "loadbang"
    }
   },
   {
    "box": {
     "id": "obj-140",
     "maxclass": "newobj",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [
      "bang"
     ],
     "patching_rect": [
      2330.0,
      148.0,
      110.0,
      22.0
     ],
     "text": "delay 1000"
    }
   },
   {
    "box": {
     "id": "obj-141",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      212.0,
      60.0,
      22.0
     ],
     "text": "1"
    }
   },
   {
    "box": {
     "id": "obj-142",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      276.0,
      189.2,
      22.0
     ],
     "text": "udpsend 127.0.0.1 9460"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-143",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      340.0,
      300.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      564.0,
      300.0,
      20.0
     ],
     "text": "chart, such as | C | Am / F / | G7 |",
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
     "bgcolor": [
      0.22000000000000003,
      0.24200000000000002,
      0.28600000000000003,
      1.0
     ],
     "fontsize": 14.0,
     "id": "obj-144",
     "keymode": 1,
     "lines": 1,
     "maxclass": "textedit",
     "numinlets": 1,
     "numoutlets": 4,
     "outlettype": [
      "",
      "",
      "",
      ""
     ],
     "outputmode": 1,
     "patching_rect": [
      2330.0,
      404.0,
      307.0,
      26.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      586.0,
      307.0,
      26.0
     ],
     "text": "",
     "textcolor": [
      0.93,
      0.94,
      0.95,
      1.0
     ],
     "varname": "chart"
    }
   },
   {
    "box": {
     "id": "obj-145",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "patching_rect": [
      2330.0,
      468.0,
      110.0,
      22.0
     ],
     "text": "route text"
    }
   },
   {
    "box": {
     "id": "obj-146",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      532.0,
      169.39999999999998,
      22.0
     ],
     "text": "prepend /lb/*/chart"
    }
   },
   {
    "box": {
     "id": "obj-147",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      596.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-148",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      660.0,
      202.39999999999998,
      22.0
     ],
     "text": "sprintf set /lb/%s/chart"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-149",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      724.0,
      300.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      337.0,
      564.0,
      300.0,
      20.0
     ],
     "text": "style, such as upright bass",
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
     "bgcolor": [
      0.22000000000000003,
      0.24200000000000002,
      0.28600000000000003,
      1.0
     ],
     "fontsize": 14.0,
     "id": "obj-150",
     "keymode": 1,
     "lines": 1,
     "maxclass": "textedit",
     "numinlets": 1,
     "numoutlets": 4,
     "outlettype": [
      "",
      "",
      "",
      ""
     ],
     "outputmode": 1,
     "patching_rect": [
      2330.0,
      788.0,
      307.0,
      26.0
     ],
     "presentation": 1,
     "presentation_rect": [
      337.0,
      586.0,
      307.0,
      26.0
     ],
     "text": "",
     "textcolor": [
      0.93,
      0.94,
      0.95,
      1.0
     ],
     "varname": "style"
    }
   },
   {
    "box": {
     "id": "obj-151",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "patching_rect": [
      2330.0,
      852.0,
      110.0,
      22.0
     ],
     "text": "route text"
    }
   },
   {
    "box": {
     "id": "obj-152",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      916.0,
      169.39999999999998,
      22.0
     ],
     "text": "prepend /lb/*/style"
    }
   },
   {
    "box": {
     "id": "obj-153",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      980.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-154",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      1044.0,
      202.39999999999998,
      22.0
     ],
     "text": "sprintf set /lb/%s/style"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-155",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      1108.0,
      120.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      620.0,
      120.0,
      20.0
     ],
     "text": "chord now",
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
     "bgcolor": [
      0.22000000000000003,
      0.24200000000000002,
      0.28600000000000003,
      1.0
     ],
     "fontsize": 14.0,
     "id": "obj-156",
     "keymode": 1,
     "lines": 1,
     "maxclass": "textedit",
     "numinlets": 1,
     "numoutlets": 4,
     "outlettype": [
      "",
      "",
      "",
      ""
     ],
     "outputmode": 1,
     "patching_rect": [
      2330.0,
      1172.0,
      120.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      642.0,
      120.0,
      24.0
     ],
     "text": "",
     "textcolor": [
      0.93,
      0.94,
      0.95,
      1.0
     ],
     "varname": "chord"
    }
   },
   {
    "box": {
     "id": "obj-157",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "patching_rect": [
      2330.0,
      1236.0,
      110.0,
      22.0
     ],
     "text": "route text"
    }
   },
   {
    "box": {
     "id": "obj-158",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      1300.0,
      169.39999999999998,
      22.0
     ],
     "text": "prepend /lb/*/chord"
    }
   },
   {
    "box": {
     "id": "obj-159",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      1364.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-160",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      1428.0,
      202.39999999999998,
      22.0
     ],
     "text": "sprintf set /lb/%s/chord"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-161",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      1492.0,
      100.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      150.0,
      620.0,
      100.0,
      20.0
     ],
     "text": "key now",
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
     "bgcolor": [
      0.22000000000000003,
      0.24200000000000002,
      0.28600000000000003,
      1.0
     ],
     "fontsize": 14.0,
     "id": "obj-162",
     "keymode": 1,
     "lines": 1,
     "maxclass": "textedit",
     "numinlets": 1,
     "numoutlets": 4,
     "outlettype": [
      "",
      "",
      "",
      ""
     ],
     "outputmode": 1,
     "patching_rect": [
      2330.0,
      1556.0,
      100.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      150.0,
      642.0,
      100.0,
      24.0
     ],
     "text": "",
     "textcolor": [
      0.93,
      0.94,
      0.95,
      1.0
     ],
     "varname": "key"
    }
   },
   {
    "box": {
     "id": "obj-163",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "patching_rect": [
      2330.0,
      1620.0,
      110.0,
      22.0
     ],
     "text": "route text"
    }
   },
   {
    "box": {
     "id": "obj-164",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      1684.0,
      156.2,
      22.0
     ],
     "text": "prepend /lb/*/key"
    }
   },
   {
    "box": {
     "id": "obj-165",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      1748.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-166",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      1812.0,
      189.2,
      22.0
     ],
     "text": "sprintf set /lb/%s/key"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-167",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      1876.0,
      100.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      260.0,
      620.0,
      100.0,
      20.0
     ],
     "text": "keep a moment",
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
     "bgcolor": [
      0.22000000000000003,
      0.24200000000000002,
      0.28600000000000003,
      1.0
     ],
     "fontsize": 14.0,
     "id": "obj-168",
     "keymode": 1,
     "lines": 1,
     "maxclass": "textedit",
     "numinlets": 1,
     "numoutlets": 4,
     "outlettype": [
      "",
      "",
      "",
      ""
     ],
     "outputmode": 1,
     "patching_rect": [
      2330.0,
      1940.0,
      100.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      260.0,
      642.0,
      100.0,
      24.0
     ],
     "text": "",
     "textcolor": [
      0.93,
      0.94,
      0.95,
      1.0
     ],
     "varname": "keep"
    }
   },
   {
    "box": {
     "id": "obj-169",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "patching_rect": [
      2330.0,
      2004.0,
      110.0,
      22.0
     ],
     "text": "route text"
    }
   },
   {
    "box": {
     "id": "obj-170",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      2068.0,
      162.8,
      22.0
     ],
     "text": "prepend /lb/*/keep"
    }
   },
   {
    "box": {
     "id": "obj-171",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      2132.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-172",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      2196.0,
      195.79999999999998,
      22.0
     ],
     "text": "sprintf set /lb/%s/keep"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-173",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      2260.0,
      100.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      370.0,
      620.0,
      100.0,
      20.0
     ],
     "text": "recall a moment",
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
     "bgcolor": [
      0.22000000000000003,
      0.24200000000000002,
      0.28600000000000003,
      1.0
     ],
     "fontsize": 14.0,
     "id": "obj-174",
     "keymode": 1,
     "lines": 1,
     "maxclass": "textedit",
     "numinlets": 1,
     "numoutlets": 4,
     "outlettype": [
      "",
      "",
      "",
      ""
     ],
     "outputmode": 1,
     "patching_rect": [
      2330.0,
      2324.0,
      100.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      370.0,
      642.0,
      100.0,
      24.0
     ],
     "text": "",
     "textcolor": [
      0.93,
      0.94,
      0.95,
      1.0
     ],
     "varname": "recall"
    }
   },
   {
    "box": {
     "id": "obj-175",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "patching_rect": [
      2330.0,
      2388.0,
      110.0,
      22.0
     ],
     "text": "route text"
    }
   },
   {
    "box": {
     "id": "obj-176",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      2452.0,
      176.0,
      22.0
     ],
     "text": "prepend /lb/*/recall"
    }
   },
   {
    "box": {
     "id": "obj-177",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      2516.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-178",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      2580.0,
      209.0,
      22.0
     ],
     "text": "sprintf set /lb/%s/recall"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-179",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      2644.0,
      140.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      480.0,
      620.0,
      140.0,
      20.0
     ],
     "text": "session (* is all)",
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
     "bgcolor": [
      0.22000000000000003,
      0.24200000000000002,
      0.28600000000000003,
      1.0
     ],
     "fontsize": 14.0,
     "id": "obj-180",
     "keymode": 1,
     "lines": 1,
     "maxclass": "textedit",
     "numinlets": 1,
     "numoutlets": 4,
     "outlettype": [
      "",
      "",
      "",
      ""
     ],
     "outputmode": 1,
     "patching_rect": [
      2330.0,
      2708.0,
      140.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      480.0,
      642.0,
      140.0,
      24.0
     ],
     "text": "*",
     "textcolor": [
      0.93,
      0.94,
      0.95,
      1.0
     ],
     "varname": "session"
    }
   },
   {
    "box": {
     "id": "obj-181",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "patching_rect": [
      2330.0,
      2772.0,
      110.0,
      22.0
     ],
     "text": "route text"
    }
   },
   {
    "box": {
     "id": "obj-182",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      2836.0,
      123.19999999999999,
      22.0
     ],
     "text": "s #0-session"
    }
   }
  ],
  "classnamespace": "box",
  "default_fontface": 0,
  "default_fontname": "Arial",
  "default_fontsize": 12.0,
  "dependency_cache": [],
  "description": "The LiveBand plug-in in vst~, with Max's transport and a chord line",
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
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-4",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-5",
      0
     ],
     "order": 0,
     "source": [
      "obj-3",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      1
     ],
     "order": 0,
     "source": [
      "obj-6",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-7",
      0
     ],
     "order": 0,
     "source": [
      "obj-3",
      1
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-10",
      0
     ],
     "order": 0,
     "source": [
      "obj-9",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-10",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-11",
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
      "obj-12",
      0
     ],
     "order": 0,
     "source": [
      "obj-13",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-12",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      26
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-12",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-15",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-17",
      0
     ],
     "order": 0,
     "source": [
      "obj-15",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-16",
      0
     ],
     "order": 0,
     "source": [
      "obj-17",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-16",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-19",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      1
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-21",
      0
     ],
     "order": 0,
     "source": [
      "obj-19",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-20",
      0
     ],
     "order": 0,
     "source": [
      "obj-21",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-20",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-23",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      2
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-25",
      0
     ],
     "order": 0,
     "source": [
      "obj-23",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-24",
      0
     ],
     "order": 0,
     "source": [
      "obj-25",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-24",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-27",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      3
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-29",
      0
     ],
     "order": 0,
     "source": [
      "obj-27",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-28",
      0
     ],
     "order": 0,
     "source": [
      "obj-29",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-28",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-31",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      4
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-33",
      0
     ],
     "order": 0,
     "source": [
      "obj-31",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-32",
      0
     ],
     "order": 0,
     "source": [
      "obj-33",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-32",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-35",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      5
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-37",
      0
     ],
     "order": 0,
     "source": [
      "obj-35",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-36",
      0
     ],
     "order": 0,
     "source": [
      "obj-37",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-36",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-39",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      6
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-41",
      0
     ],
     "order": 0,
     "source": [
      "obj-39",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-40",
      0
     ],
     "order": 0,
     "source": [
      "obj-41",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-40",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-43",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      7
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-45",
      0
     ],
     "order": 0,
     "source": [
      "obj-43",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-44",
      0
     ],
     "order": 0,
     "source": [
      "obj-45",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-44",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-47",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      8
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-49",
      0
     ],
     "order": 0,
     "source": [
      "obj-47",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-48",
      0
     ],
     "order": 0,
     "source": [
      "obj-49",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-48",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-51",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      9
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-53",
      0
     ],
     "order": 0,
     "source": [
      "obj-51",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-52",
      0
     ],
     "order": 0,
     "source": [
      "obj-53",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-52",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-55",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      10
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-57",
      0
     ],
     "order": 0,
     "source": [
      "obj-55",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-56",
      0
     ],
     "order": 0,
     "source": [
      "obj-57",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-56",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-59",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      11
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-61",
      0
     ],
     "order": 0,
     "source": [
      "obj-59",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-60",
      0
     ],
     "order": 0,
     "source": [
      "obj-61",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-60",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-63",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      12
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-65",
      0
     ],
     "order": 0,
     "source": [
      "obj-63",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-64",
      0
     ],
     "order": 0,
     "source": [
      "obj-65",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-64",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-67",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      13
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-69",
      0
     ],
     "order": 0,
     "source": [
      "obj-67",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-68",
      0
     ],
     "order": 0,
     "source": [
      "obj-69",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-68",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-71",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      14
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-73",
      0
     ],
     "order": 0,
     "source": [
      "obj-71",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-72",
      0
     ],
     "order": 0,
     "source": [
      "obj-73",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-72",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-75",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      15
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-77",
      0
     ],
     "order": 0,
     "source": [
      "obj-75",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-76",
      0
     ],
     "order": 0,
     "source": [
      "obj-77",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-76",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-79",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      16
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-81",
      0
     ],
     "order": 0,
     "source": [
      "obj-79",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-80",
      0
     ],
     "order": 0,
     "source": [
      "obj-81",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-80",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-83",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      17
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-85",
      0
     ],
     "order": 0,
     "source": [
      "obj-83",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-84",
      0
     ],
     "order": 0,
     "source": [
      "obj-85",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-84",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-87",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      18
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-89",
      0
     ],
     "order": 0,
     "source": [
      "obj-87",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-88",
      0
     ],
     "order": 0,
     "source": [
      "obj-89",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-88",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-91",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      19
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-93",
      0
     ],
     "order": 0,
     "source": [
      "obj-91",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-92",
      0
     ],
     "order": 0,
     "source": [
      "obj-93",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-92",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-95",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      20
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-97",
      0
     ],
     "order": 0,
     "source": [
      "obj-95",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-96",
      0
     ],
     "order": 0,
     "source": [
      "obj-97",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-96",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-99",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      21
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-101",
      0
     ],
     "order": 0,
     "source": [
      "obj-99",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-100",
      0
     ],
     "order": 0,
     "source": [
      "obj-101",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-100",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-103",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      22
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-105",
      0
     ],
     "order": 0,
     "source": [
      "obj-103",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-104",
      0
     ],
     "order": 0,
     "source": [
      "obj-105",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-104",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-107",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      23
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-109",
      0
     ],
     "order": 0,
     "source": [
      "obj-107",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-108",
      0
     ],
     "order": 0,
     "source": [
      "obj-109",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-108",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-111",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      24
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-113",
      0
     ],
     "order": 0,
     "source": [
      "obj-111",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-112",
      0
     ],
     "order": 0,
     "source": [
      "obj-113",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-112",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-115",
      0
     ],
     "order": 0,
     "source": [
      "obj-11",
      25
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-117",
      0
     ],
     "order": 0,
     "source": [
      "obj-115",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-116",
      0
     ],
     "order": 0,
     "source": [
      "obj-117",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-3",
      0
     ],
     "order": 0,
     "source": [
      "obj-116",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-118",
      0
     ],
     "order": 0,
     "source": [
      "obj-119",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-122",
      0
     ],
     "order": 0,
     "source": [
      "obj-121",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-118",
      0
     ],
     "order": 0,
     "source": [
      "obj-122",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-125",
      0
     ],
     "order": 0,
     "source": [
      "obj-124",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-118",
      0
     ],
     "order": 0,
     "source": [
      "obj-125",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-118",
      0
     ],
     "order": 0,
     "source": [
      "obj-126",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-130",
      0
     ],
     "order": 0,
     "source": [
      "obj-118",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-131",
      0
     ],
     "order": 0,
     "source": [
      "obj-130",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-129",
      0
     ],
     "order": 0,
     "source": [
      "obj-131",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-132",
      0
     ],
     "order": 0,
     "source": [
      "obj-130",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-127",
      0
     ],
     "order": 0,
     "source": [
      "obj-132",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-135",
      0
     ],
     "order": 0,
     "source": [
      "obj-118",
      1
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-136",
      0
     ],
     "order": 0,
     "source": [
      "obj-135",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-134",
      0
     ],
     "order": 0,
     "source": [
      "obj-136",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-137",
      0
     ],
     "order": 0,
     "source": [
      "obj-135",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-127",
      0
     ],
     "order": 0,
     "source": [
      "obj-137",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-140",
      0
     ],
     "order": 0,
     "source": [
      "obj-139",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-141",
      0
     ],
     "order": 0,
     "source": [
      "obj-140",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-138",
      0
     ],
     "order": 0,
     "source": [
      "obj-141",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-142",
      0
     ],
     "order": 0,
     "source": [
      "obj-138",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-145",
      0
     ],
     "order": 0,
     "source": [
      "obj-144",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-146",
      0
     ],
     "order": 0,
     "source": [
      "obj-145",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-148",
      0
     ],
     "order": 0,
     "source": [
      "obj-147",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-146",
      0
     ],
     "order": 0,
     "source": [
      "obj-148",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-138",
      1
     ],
     "order": 0,
     "source": [
      "obj-146",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-151",
      0
     ],
     "order": 0,
     "source": [
      "obj-150",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-152",
      0
     ],
     "order": 0,
     "source": [
      "obj-151",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-154",
      0
     ],
     "order": 0,
     "source": [
      "obj-153",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-152",
      0
     ],
     "order": 0,
     "source": [
      "obj-154",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-138",
      1
     ],
     "order": 0,
     "source": [
      "obj-152",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-157",
      0
     ],
     "order": 0,
     "source": [
      "obj-156",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-158",
      0
     ],
     "order": 0,
     "source": [
      "obj-157",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-160",
      0
     ],
     "order": 0,
     "source": [
      "obj-159",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-158",
      0
     ],
     "order": 0,
     "source": [
      "obj-160",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-138",
      1
     ],
     "order": 0,
     "source": [
      "obj-158",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-163",
      0
     ],
     "order": 0,
     "source": [
      "obj-162",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-164",
      0
     ],
     "order": 0,
     "source": [
      "obj-163",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-166",
      0
     ],
     "order": 0,
     "source": [
      "obj-165",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-164",
      0
     ],
     "order": 0,
     "source": [
      "obj-166",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-138",
      1
     ],
     "order": 0,
     "source": [
      "obj-164",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-169",
      0
     ],
     "order": 0,
     "source": [
      "obj-168",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-170",
      0
     ],
     "order": 0,
     "source": [
      "obj-169",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-172",
      0
     ],
     "order": 0,
     "source": [
      "obj-171",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-170",
      0
     ],
     "order": 0,
     "source": [
      "obj-172",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-138",
      1
     ],
     "order": 0,
     "source": [
      "obj-170",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-175",
      0
     ],
     "order": 0,
     "source": [
      "obj-174",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-176",
      0
     ],
     "order": 0,
     "source": [
      "obj-175",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-178",
      0
     ],
     "order": 0,
     "source": [
      "obj-177",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-176",
      0
     ],
     "order": 0,
     "source": [
      "obj-178",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-138",
      1
     ],
     "order": 0,
     "source": [
      "obj-176",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-181",
      0
     ],
     "order": 0,
     "source": [
      "obj-180",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-182",
      0
     ],
     "order": 0,
     "source": [
      "obj-181",
      0
     ]
    }
   }
  ],
  "objectsnaponopen": 1,
  "openinpresentation": 1,
  "rect": [
   60.0,
   80.0,
   664.0,
   700.0
  ],
  "righttoolbarpinned": 0,
  "statusbarvisible": 2,
  "style": "",
  "subpatcher_template": "",
  "tags": "",
  "tallnewobj": 0,
  "title": "liveband~",
  "toolbars_unpinned_last_save": 0,
  "toolbarvisible": 1,
  "toptoolbarpinned": 0
 }
}
