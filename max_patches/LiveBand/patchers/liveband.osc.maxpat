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
     "text": "LiveBand by OSC",
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
     "text": "steers what plays on this machine: a plug-in's session, jam's, a script's",
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
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      20.0,
      148.0,
      96.8,
      22.0
     ],
     "text": "gate 1 0"
    }
   },
   {
    "box": {
     "id": "obj-4",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      "bang"
     ],
     "patching_rect": [
      20.0,
      212.0,
      96.8,
      22.0
     ],
     "text": "loadbang"
    }
   },
   {
    "box": {
     "id": "obj-5",
     "maxclass": "newobj",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [
      "bang"
     ],
     "patching_rect": [
      20.0,
      276.0,
      110.0,
      22.0
     ],
     "text": "delay 1000"
    }
   },
   {
    "box": {
     "id": "obj-6",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      20.0,
      340.0,
      60.0,
      22.0
     ],
     "text": "1"
    }
   },
   {
    "box": {
     "id": "obj-7",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      404.0,
      189.2,
      22.0
     ],
     "text": "udpsend 127.0.0.1 9460"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-8",
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
     "id": "obj-9",
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
     "id": "obj-10",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      148.0,
      189.2,
      22.0
     ],
     "text": "prepend /lb/*/set/stem"
    }
   },
   {
    "box": {
     "id": "obj-11",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      212.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-12",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      276.0,
      222.2,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/stem"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-13",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      350.0,
      340.0,
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
     "id": "obj-14",
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
      404.0,
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
     "id": "obj-15",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      468.0,
      182.6,
      22.0
     ],
     "text": "prepend /lb/*/set/mix"
    }
   },
   {
    "box": {
     "id": "obj-16",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      532.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-17",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      596.0,
      215.6,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/mix"
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
      660.0,
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
      724.0,
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
     "id": "obj-20",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      788.0,
      189.2,
      22.0
     ],
     "text": "prepend /lb/*/set/gain"
    }
   },
   {
    "box": {
     "id": "obj-21",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      852.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-22",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      916.0,
      222.2,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/gain"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-23",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      350.0,
      980.0,
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
     "id": "obj-24",
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
      1044.0,
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
     "id": "obj-25",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      1108.0,
      222.2,
      22.0
     ],
     "text": "prepend /lb/*/set/variation"
    }
   },
   {
    "box": {
     "id": "obj-26",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      1172.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-27",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      1236.0,
      255.2,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/variation"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-28",
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
     "id": "obj-29",
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
     "id": "obj-30",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      1428.0,
      222.2,
      22.0
     ],
     "text": "prepend /lb/*/set/adherence"
    }
   },
   {
    "box": {
     "id": "obj-31",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      350.0,
      1492.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
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
      1556.0,
      255.2,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/adherence"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-33",
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
     "id": "obj-34",
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
     "id": "obj-35",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      148.0,
      209.0,
      22.0
     ],
     "text": "prepend /lb/*/set/density"
    }
   },
   {
    "box": {
     "id": "obj-36",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      212.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-37",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      276.0,
      242.0,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/density"
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
      340.0,
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
      404.0,
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
      468.0,
      228.79999999999998,
      22.0
     ],
     "text": "prepend /lb/*/set/brightness"
    }
   },
   {
    "box": {
     "id": "obj-41",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      532.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-42",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      596.0,
      261.79999999999995,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/brightness"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-43",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      680.0,
      660.0,
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
     "id": "obj-44",
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
      724.0,
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
     "id": "obj-45",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      788.0,
      189.2,
      22.0
     ],
     "text": "prepend /lb/*/set/seed"
    }
   },
   {
    "box": {
     "id": "obj-46",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      852.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-47",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      916.0,
      222.2,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/seed"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-48",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      680.0,
      980.0,
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
     "id": "obj-49",
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
      1044.0,
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
     "id": "obj-50",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      1108.0,
      195.79999999999998,
      22.0
     ],
     "text": "prepend /lb/*/set/reset"
    }
   },
   {
    "box": {
     "id": "obj-51",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      1172.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
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
      1236.0,
      228.79999999999998,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/reset"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-53",
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
     "id": "obj-54",
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
      1364.0,
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
     "id": "obj-55",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      1428.0,
      202.39999999999998,
      22.0
     ],
     "text": "prepend /lb/*/set/freeze"
    }
   },
   {
    "box": {
     "id": "obj-56",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      1492.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-57",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      680.0,
      1556.0,
      235.39999999999998,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/freeze"
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
      1010.0,
      20.0,
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
     "id": "obj-59",
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
      84.0,
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
     "id": "obj-60",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      148.0,
      202.39999999999998,
      22.0
     ],
     "text": "prepend /lb/*/set/listen"
    }
   },
   {
    "box": {
     "id": "obj-61",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      212.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-62",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      276.0,
      235.39999999999998,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/listen"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-63",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      1010.0,
      340.0,
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
     "id": "obj-64",
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
      404.0,
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
     "id": "obj-65",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      468.0,
      235.39999999999998,
      22.0
     ],
     "text": "prepend /lb/*/set/when_silent"
    }
   },
   {
    "box": {
     "id": "obj-66",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      532.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-67",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      596.0,
      268.4,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/when_silent"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-68",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      1010.0,
      660.0,
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
     "id": "obj-69",
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
      724.0,
      96.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
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
     "id": "obj-70",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      788.0,
      222.2,
      22.0
     ],
     "text": "prepend /lb/*/set/time_feel"
    }
   },
   {
    "box": {
     "id": "obj-71",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      852.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
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
      916.0,
      255.2,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/time_feel"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-73",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      1010.0,
      980.0,
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
     "id": "obj-74",
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
      1044.0,
      96.0,
      56.0
     ],
     "presentation": 1,
     "presentation_rect": [
      124.0,
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
     "id": "obj-75",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      1108.0,
      222.2,
      22.0
     ],
     "text": "prepend /lb/*/set/tempo_low"
    }
   },
   {
    "box": {
     "id": "obj-76",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      1172.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-77",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      1236.0,
      255.2,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/tempo_low"
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
      1300.0,
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
      1364.0,
      96.0,
      56.0
     ],
     "presentation": 1,
     "presentation_rect": [
      228.0,
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
      1428.0,
      228.79999999999998,
      22.0
     ],
     "text": "prepend /lb/*/set/tempo_high"
    }
   },
   {
    "box": {
     "id": "obj-81",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      1492.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-82",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1010.0,
      1556.0,
      261.79999999999995,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/tempo_high"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-83",
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
      332.0,
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
     "id": "obj-84",
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
      84.0,
      96.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      332.0,
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
     "id": "obj-85",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      148.0,
      195.79999999999998,
      22.0
     ],
     "text": "prepend /lb/*/set/tacet"
    }
   },
   {
    "box": {
     "id": "obj-86",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      212.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-87",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      276.0,
      228.79999999999998,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/tacet"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-88",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      1340.0,
      340.0,
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
     "id": "obj-89",
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
      404.0,
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
     "id": "obj-90",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      468.0,
      189.2,
      22.0
     ],
     "text": "prepend /lb/*/set/fade"
    }
   },
   {
    "box": {
     "id": "obj-91",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      532.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
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
      596.0,
      222.2,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/fade"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-93",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      1340.0,
      660.0,
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
     "id": "obj-94",
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
      724.0,
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
     "id": "obj-95",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      788.0,
      189.2,
      22.0
     ],
     "text": "prepend /lb/*/set/mute"
    }
   },
   {
    "box": {
     "id": "obj-96",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      852.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-97",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      916.0,
      222.2,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/mute"
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
      980.0,
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
     "id": "obj-99",
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
      1044.0,
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
     "id": "obj-100",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      1108.0,
      222.2,
      22.0
     ],
     "text": "prepend /lb/*/set/intensity"
    }
   },
   {
    "box": {
     "id": "obj-101",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      1172.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-102",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      1236.0,
      255.2,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/intensity"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-103",
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
      124.0,
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
     "id": "obj-104",
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
      1364.0,
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
     "id": "obj-105",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      1428.0,
      215.6,
      22.0
     ],
     "text": "prepend /lb/*/set/quantise"
    }
   },
   {
    "box": {
     "id": "obj-106",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      1492.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-107",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1340.0,
      1556.0,
      248.6,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/quantise"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-108",
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
      228.0,
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
     "id": "obj-109",
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
      228.0,
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
     "id": "obj-110",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1670.0,
      148.0,
      215.6,
      22.0
     ],
     "text": "prepend /lb/*/set/count_in"
    }
   },
   {
    "box": {
     "id": "obj-111",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1670.0,
      212.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
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
      276.0,
      248.6,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/count_in"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-113",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      1670.0,
      340.0,
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
     "id": "obj-114",
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
      404.0,
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
     "id": "obj-115",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1670.0,
      468.0,
      242.0,
      22.0
     ],
     "text": "prepend /lb/*/set/next_section"
    }
   },
   {
    "box": {
     "id": "obj-116",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1670.0,
      532.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-117",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1670.0,
      596.0,
      275.0,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/next_section"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-118",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      1670.0,
      660.0,
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
     "id": "obj-119",
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
      724.0,
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
     "id": "obj-120",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1670.0,
      788.0,
      182.6,
      22.0
     ],
     "text": "prepend /lb/*/set/tap"
    }
   },
   {
    "box": {
     "id": "obj-121",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1670.0,
      852.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
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
      1670.0,
      916.0,
      215.6,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/tap"
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
      1670.0,
      980.0,
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
     "id": "obj-124",
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
      1044.0,
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
     "id": "obj-125",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1670.0,
      1108.0,
      209.0,
      22.0
     ],
     "text": "prepend /lb/*/set/quality"
    }
   },
   {
    "box": {
     "id": "obj-126",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1670.0,
      1172.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-127",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1670.0,
      1236.0,
      242.0,
      22.0
     ],
     "text": "sprintf set /lb/%s/set/quality"
    }
   },
   {
    "box": {
     "id": "obj-128",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      1670.0,
      1300.0,
      103.4,
      22.0
     ],
     "text": "/lb/panic"
    }
   },
   {
    "box": {
     "fontsize": 12.0,
     "id": "obj-129",
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
      1364.0,
      90.0,
      26.0
     ],
     "presentation": 1,
     "presentation_rect": [
      554.0,
      16.0,
      90.0,
      26.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_enum": [
        "off",
        "on"
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "panic",
       "parameter_mmax": 1,
       "parameter_shortname": "panic",
       "parameter_type": 2
      }
     },
     "text": "panic",
     "texton": "panic",
     "varname": "panic"
    }
   },
   {
    "box": {
     "id": "obj-130",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "patching_rect": [
      2000.0,
      20.0,
      310.0,
      22.0
     ],
     "text": "node.script liveband.listen.js @autostart 1 @watch 0"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-131",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2000.0,
      84.0,
      140.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      414.0,
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
     "id": "obj-132",
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
      2000.0,
      148.0,
      140.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      436.0,
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
     "id": "obj-133",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "patching_rect": [
      2000.0,
      212.0,
      110.0,
      22.0
     ],
     "text": "route text"
    }
   },
   {
    "box": {
     "id": "obj-134",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2000.0,
      276.0,
      123.19999999999999,
      22.0
     ],
     "text": "s #0-session"
    }
   },
   {
    "box": {
     "id": "obj-135",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      340.0,
      143.0,
      22.0
     ],
     "text": "prepend session"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-136",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2000.0,
      404.0,
      300.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      470.0,
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
     "id": "obj-137",
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
      2000.0,
      468.0,
      307.0,
      26.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      492.0,
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
     "id": "obj-138",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "patching_rect": [
      2000.0,
      532.0,
      110.0,
      22.0
     ],
     "text": "route text"
    }
   },
   {
    "box": {
     "id": "obj-139",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      596.0,
      169.39999999999998,
      22.0
     ],
     "text": "prepend /lb/*/chart"
    }
   },
   {
    "box": {
     "id": "obj-140",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      660.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-141",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      724.0,
      202.39999999999998,
      22.0
     ],
     "text": "sprintf set /lb/%s/chart"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-142",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2000.0,
      788.0,
      300.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      337.0,
      470.0,
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
     "id": "obj-143",
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
      2000.0,
      852.0,
      307.0,
      26.0
     ],
     "presentation": 1,
     "presentation_rect": [
      337.0,
      492.0,
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
     "id": "obj-144",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "patching_rect": [
      2000.0,
      916.0,
      110.0,
      22.0
     ],
     "text": "route text"
    }
   },
   {
    "box": {
     "id": "obj-145",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      980.0,
      169.39999999999998,
      22.0
     ],
     "text": "prepend /lb/*/style"
    }
   },
   {
    "box": {
     "id": "obj-146",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      1044.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-147",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      1108.0,
      202.39999999999998,
      22.0
     ],
     "text": "sprintf set /lb/%s/style"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-148",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2000.0,
      1172.0,
      120.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      526.0,
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
     "id": "obj-149",
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
      2000.0,
      1236.0,
      120.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      548.0,
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
     "id": "obj-150",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "patching_rect": [
      2000.0,
      1300.0,
      110.0,
      22.0
     ],
     "text": "route text"
    }
   },
   {
    "box": {
     "id": "obj-151",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      1364.0,
      169.39999999999998,
      22.0
     ],
     "text": "prepend /lb/*/chord"
    }
   },
   {
    "box": {
     "id": "obj-152",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      1428.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-153",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      1492.0,
      202.39999999999998,
      22.0
     ],
     "text": "sprintf set /lb/%s/chord"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-154",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2000.0,
      1556.0,
      100.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      150.0,
      526.0,
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
     "id": "obj-155",
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
      2000.0,
      1620.0,
      100.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      150.0,
      548.0,
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
     "id": "obj-156",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "patching_rect": [
      2000.0,
      1684.0,
      110.0,
      22.0
     ],
     "text": "route text"
    }
   },
   {
    "box": {
     "id": "obj-157",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      1748.0,
      156.2,
      22.0
     ],
     "text": "prepend /lb/*/key"
    }
   },
   {
    "box": {
     "id": "obj-158",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      1812.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-159",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      1876.0,
      189.2,
      22.0
     ],
     "text": "sprintf set /lb/%s/key"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-160",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2000.0,
      1940.0,
      110.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      260.0,
      526.0,
      110.0,
      20.0
     ],
     "text": "tempo (0 forgets)",
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
     "id": "obj-161",
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
      2004.0,
      110.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      260.0,
      548.0,
      110.0,
      24.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_initial": [
        0.0
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "tempo",
       "parameter_mmax": 400.0,
       "parameter_mmin": 0.0,
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
     "id": "obj-162",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      2068.0,
      169.39999999999998,
      22.0
     ],
     "text": "prepend /lb/*/tempo"
    }
   },
   {
    "box": {
     "id": "obj-163",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      2132.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
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
      2000.0,
      2196.0,
      202.39999999999998,
      22.0
     ],
     "text": "sprintf set /lb/%s/tempo"
    }
   },
   {
    "box": {
     "fontsize": 12.0,
     "id": "obj-165",
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
      2000.0,
      2260.0,
      70.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      380.0,
      548.0,
      70.0,
      24.0
     ],
     "saved_attribute_attributes": {
      "valueof": {
       "parameter_enum": [
        "off",
        "on"
       ],
       "parameter_initial_enable": 1,
       "parameter_longname": "one",
       "parameter_mmax": 1,
       "parameter_shortname": "one",
       "parameter_type": 2
      }
     },
     "text": "one",
     "texton": "one",
     "varname": "one"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-166",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2000.0,
      2324.0,
      70.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      380.0,
      526.0,
      70.0,
      20.0
     ],
     "text": "beat one",
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
     "id": "obj-167",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      2388.0,
      60.0,
      22.0
     ],
     "text": "1"
    }
   },
   {
    "box": {
     "id": "obj-168",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      2452.0,
      162.8,
      22.0
     ],
     "text": "prepend /lb/*/beat"
    }
   },
   {
    "box": {
     "id": "obj-169",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      2516.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
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
      2000.0,
      2580.0,
      195.79999999999998,
      22.0
     ],
     "text": "sprintf set /lb/%s/beat"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-171",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2000.0,
      2644.0,
      94.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      460.0,
      526.0,
      94.0,
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
     "id": "obj-172",
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
      2000.0,
      2708.0,
      90.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      460.0,
      548.0,
      90.0,
      24.0
     ],
     "text": "keep",
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
     "id": "obj-173",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "patching_rect": [
      2000.0,
      2772.0,
      110.0,
      22.0
     ],
     "text": "route text"
    }
   },
   {
    "box": {
     "id": "obj-174",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      2836.0,
      162.8,
      22.0
     ],
     "text": "prepend /lb/*/keep"
    }
   },
   {
    "box": {
     "id": "obj-175",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      2900.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
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
      2000.0,
      2964.0,
      195.79999999999998,
      22.0
     ],
     "text": "sprintf set /lb/%s/keep"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-177",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2000.0,
      3028.0,
      94.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      556.0,
      526.0,
      94.0,
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
     "id": "obj-178",
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
      2000.0,
      3092.0,
      90.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      556.0,
      548.0,
      90.0,
      24.0
     ],
     "text": "recall",
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
     "id": "obj-179",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      ""
     ],
     "patching_rect": [
      2000.0,
      3156.0,
      110.0,
      22.0
     ],
     "text": "route text"
    }
   },
   {
    "box": {
     "id": "obj-180",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      3220.0,
      176.0,
      22.0
     ],
     "text": "prepend /lb/*/recall"
    }
   },
   {
    "box": {
     "id": "obj-181",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      3284.0,
      123.19999999999999,
      22.0
     ],
     "text": "r #0-session"
    }
   },
   {
    "box": {
     "id": "obj-182",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2000.0,
      3348.0,
      209.0,
      22.0
     ],
     "text": "sprintf set /lb/%s/recall"
    }
   },
   {
    "box": {
     "id": "obj-183",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 4,
     "outlettype": [
      "",
      "",
      "",
      ""
     ],
     "patching_rect": [
      2330.0,
      20.0,
      195.79999999999998,
      22.0
     ],
     "text": "route status link error"
    }
   },
   {
    "box": {
     "id": "obj-184",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 9,
     "outlettype": [
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
      2330.0,
      84.0,
      310.0,
      22.0
     ],
     "text": "route state reason tempo beat heard_tempo heard_chord headroom_ms late_frames"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-185",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      148.0,
      148.0,
      18.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      582.0,
      148.0,
      18.0
     ],
     "text": "state",
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
     "fontsize": 15.0,
     "id": "obj-186",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      212.0,
      148.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      600.0,
      148.0,
      24.0
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
     "id": "obj-187",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      276.0,
      116.6,
      22.0
     ],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-188",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      340.0,
      148.0,
      18.0
     ],
     "presentation": 1,
     "presentation_rect": [
      176.0,
      582.0,
      148.0,
      18.0
     ],
     "text": "reason",
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
     "fontsize": 15.0,
     "id": "obj-189",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      404.0,
      148.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      176.0,
      600.0,
      148.0,
      24.0
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
     "id": "obj-190",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      468.0,
      116.6,
      22.0
     ],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-191",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      532.0,
      148.0,
      18.0
     ],
     "presentation": 1,
     "presentation_rect": [
      332.0,
      582.0,
      148.0,
      18.0
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
     "fontsize": 15.0,
     "id": "obj-192",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      596.0,
      148.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      332.0,
      600.0,
      148.0,
      24.0
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
     "id": "obj-193",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      660.0,
      116.6,
      22.0
     ],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-194",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      724.0,
      148.0,
      18.0
     ],
     "presentation": 1,
     "presentation_rect": [
      488.0,
      582.0,
      148.0,
      18.0
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
     "fontsize": 15.0,
     "id": "obj-195",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      788.0,
      148.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      488.0,
      600.0,
      148.0,
      24.0
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
     "id": "obj-196",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      852.0,
      116.6,
      22.0
     ],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-197",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      916.0,
      148.0,
      18.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      626.0,
      148.0,
      18.0
     ],
     "text": "heard tempo (bpm)",
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
     "fontsize": 15.0,
     "id": "obj-198",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      980.0,
      148.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      644.0,
      148.0,
      24.0
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
     "id": "obj-199",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      1044.0,
      116.6,
      22.0
     ],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-200",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      1108.0,
      148.0,
      18.0
     ],
     "presentation": 1,
     "presentation_rect": [
      176.0,
      626.0,
      148.0,
      18.0
     ],
     "text": "heard chord",
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
     "fontsize": 15.0,
     "id": "obj-201",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      1172.0,
      148.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      176.0,
      644.0,
      148.0,
      24.0
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
     "id": "obj-202",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      1236.0,
      116.6,
      22.0
     ],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-203",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      1300.0,
      148.0,
      18.0
     ],
     "presentation": 1,
     "presentation_rect": [
      332.0,
      626.0,
      148.0,
      18.0
     ],
     "text": "headroom (ms)",
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
     "fontsize": 15.0,
     "id": "obj-204",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      1364.0,
      148.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      332.0,
      644.0,
      148.0,
      24.0
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
     "id": "obj-205",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      1428.0,
      116.6,
      22.0
     ],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "fontsize": 11.0,
     "id": "obj-206",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      1492.0,
      148.0,
      18.0
     ],
     "presentation": 1,
     "presentation_rect": [
      488.0,
      626.0,
      148.0,
      18.0
     ],
     "text": "late frames",
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
     "fontsize": 15.0,
     "id": "obj-207",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      1556.0,
      148.0,
      24.0
     ],
     "presentation": 1,
     "presentation_rect": [
      488.0,
      644.0,
      148.0,
      24.0
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
     "id": "obj-208",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      1620.0,
      116.6,
      22.0
     ],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "fontsize": 12.0,
     "id": "obj-209",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      1684.0,
      310.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      670.0,
      624.0,
      20.0
     ],
     "text": "link: -",
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
     "id": "obj-210",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      1748.0,
      116.6,
      22.0
     ],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "fontsize": 12.0,
     "id": "obj-211",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      2330.0,
      1812.0,
      310.0,
      20.0
     ],
     "presentation": 1,
     "presentation_rect": [
      20.0,
      692.0,
      624.0,
      20.0
     ],
     "text": "error: -",
     "textcolor": [
      0.95,
      0.55,
      0.4,
      1.0
     ]
    }
   },
   {
    "box": {
     "id": "obj-212",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [
      ""
     ],
     "patching_rect": [
      2330.0,
      1876.0,
      116.6,
      22.0
     ],
     "text": "prepend set"
    }
   }
  ],
  "classnamespace": "box",
  "default_fontface": 0,
  "default_fontname": "Arial",
  "default_fontsize": 12.0,
  "dependency_cache": [],
  "description": "A session steered and watched by OSC",
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
      "obj-5",
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
      "obj-6",
      0
     ],
     "order": 0,
     "source": [
      "obj-5",
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
      0
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
      "obj-12",
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
      "obj-10",
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
      "obj-3",
      1
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
      "obj-15",
      0
     ],
     "order": 0,
     "source": [
      "obj-14",
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
      "obj-16",
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
      "obj-17",
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
      "obj-15",
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
      "obj-19",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-22",
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
      "obj-20",
      0
     ],
     "order": 0,
     "source": [
      "obj-22",
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
      "obj-20",
      0
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
      "obj-26",
      0
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
      "obj-27",
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
      "obj-25",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-30",
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
      "obj-32",
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
      "obj-30",
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
      "obj-3",
      1
     ],
     "order": 0,
     "source": [
      "obj-30",
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
      "obj-34",
      0
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
      "obj-36",
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
      "obj-37",
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
      "obj-35",
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
      "obj-39",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-42",
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
      "obj-40",
      0
     ],
     "order": 0,
     "source": [
      "obj-42",
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
      "obj-40",
      0
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
      "obj-46",
      0
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
      "obj-47",
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
      "obj-45",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-50",
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
      "obj-52",
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
      "obj-50",
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
      "obj-3",
      1
     ],
     "order": 0,
     "source": [
      "obj-50",
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
      "obj-54",
      0
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
      "obj-56",
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
      "obj-57",
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
      "obj-55",
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
      "obj-59",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-62",
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
      "obj-60",
      0
     ],
     "order": 0,
     "source": [
      "obj-62",
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
      "obj-60",
      0
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
      "obj-66",
      0
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
      "obj-67",
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
      "obj-65",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-70",
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
      "obj-72",
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
      "obj-70",
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
      "obj-3",
      1
     ],
     "order": 0,
     "source": [
      "obj-70",
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
      "obj-74",
      0
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
      "obj-76",
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
      "obj-77",
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
      "obj-75",
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
      "obj-79",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-82",
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
      "obj-80",
      0
     ],
     "order": 0,
     "source": [
      "obj-82",
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
      "obj-80",
      0
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
      "obj-86",
      0
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
      "obj-87",
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
      "obj-85",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-90",
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
      "obj-92",
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
      "obj-90",
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
      "obj-3",
      1
     ],
     "order": 0,
     "source": [
      "obj-90",
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
      "obj-94",
      0
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
      "obj-96",
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
      "obj-97",
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
      "obj-95",
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
      "obj-99",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-102",
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
      "obj-100",
      0
     ],
     "order": 0,
     "source": [
      "obj-102",
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
      "obj-100",
      0
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
      "obj-106",
      0
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
      "obj-107",
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
      "obj-105",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-110",
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
      "obj-112",
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
      "obj-110",
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
      "obj-3",
      1
     ],
     "order": 0,
     "source": [
      "obj-110",
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
      "obj-114",
      0
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
      "obj-116",
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
      "obj-117",
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
      "obj-115",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-120",
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
      "obj-120",
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
      "obj-3",
      1
     ],
     "order": 0,
     "source": [
      "obj-120",
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
      "obj-127",
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
      "obj-125",
      0
     ],
     "order": 0,
     "source": [
      "obj-127",
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
      "obj-125",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-128",
      0
     ],
     "order": 0,
     "source": [
      "obj-129",
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
      "obj-128",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-133",
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
      "obj-134",
      0
     ],
     "order": 0,
     "source": [
      "obj-133",
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
      "obj-133",
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
      "obj-135",
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
      "obj-137",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-139",
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
      "obj-139",
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
      "obj-3",
      1
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
      "obj-144",
      0
     ],
     "order": 0,
     "source": [
      "obj-143",
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
      "obj-147",
      0
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
      "obj-145",
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
      "obj-3",
      1
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
      "obj-150",
      0
     ],
     "order": 0,
     "source": [
      "obj-149",
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
      "obj-153",
      0
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
      "obj-151",
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
      "obj-3",
      1
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
      "obj-156",
      0
     ],
     "order": 0,
     "source": [
      "obj-155",
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
      "obj-159",
      0
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
      "obj-157",
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
      "obj-3",
      1
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
      "obj-162",
      0
     ],
     "order": 0,
     "source": [
      "obj-161",
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
      "obj-162",
      0
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
      "obj-3",
      1
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
      "obj-167",
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
      "obj-168",
      0
     ],
     "order": 0,
     "source": [
      "obj-167",
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
      "obj-168",
      0
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
      "obj-3",
      1
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
      "obj-173",
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
      "obj-174",
      0
     ],
     "order": 0,
     "source": [
      "obj-173",
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
      "obj-174",
      0
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
      "obj-3",
      1
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
      "obj-179",
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
      "obj-180",
      0
     ],
     "order": 0,
     "source": [
      "obj-179",
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
   },
   {
    "patchline": {
     "destination": [
      "obj-180",
      0
     ],
     "order": 0,
     "source": [
      "obj-182",
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
      "obj-180",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-183",
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
      "obj-184",
      0
     ],
     "order": 0,
     "source": [
      "obj-183",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-187",
      0
     ],
     "order": 0,
     "source": [
      "obj-184",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-186",
      0
     ],
     "order": 0,
     "source": [
      "obj-187",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-190",
      0
     ],
     "order": 0,
     "source": [
      "obj-184",
      1
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-189",
      0
     ],
     "order": 0,
     "source": [
      "obj-190",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-193",
      0
     ],
     "order": 0,
     "source": [
      "obj-184",
      2
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-192",
      0
     ],
     "order": 0,
     "source": [
      "obj-193",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-196",
      0
     ],
     "order": 0,
     "source": [
      "obj-184",
      3
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-195",
      0
     ],
     "order": 0,
     "source": [
      "obj-196",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-199",
      0
     ],
     "order": 0,
     "source": [
      "obj-184",
      4
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-198",
      0
     ],
     "order": 0,
     "source": [
      "obj-199",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-202",
      0
     ],
     "order": 0,
     "source": [
      "obj-184",
      5
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-201",
      0
     ],
     "order": 0,
     "source": [
      "obj-202",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-205",
      0
     ],
     "order": 0,
     "source": [
      "obj-184",
      6
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-204",
      0
     ],
     "order": 0,
     "source": [
      "obj-205",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-208",
      0
     ],
     "order": 0,
     "source": [
      "obj-184",
      7
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-207",
      0
     ],
     "order": 0,
     "source": [
      "obj-208",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-210",
      0
     ],
     "order": 0,
     "source": [
      "obj-183",
      1
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-209",
      0
     ],
     "order": 0,
     "source": [
      "obj-210",
      0
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-212",
      0
     ],
     "order": 0,
     "source": [
      "obj-183",
      2
     ]
    }
   },
   {
    "patchline": {
     "destination": [
      "obj-211",
      0
     ],
     "order": 0,
     "source": [
      "obj-212",
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
   726.0
  ],
  "righttoolbarpinned": 0,
  "statusbarvisible": 2,
  "style": "",
  "subpatcher_template": "",
  "tags": "",
  "tallnewobj": 0,
  "title": "liveband.osc",
  "toolbars_unpinned_last_save": 0,
  "toolbarvisible": 1,
  "toptoolbarpinned": 0
 }
}
