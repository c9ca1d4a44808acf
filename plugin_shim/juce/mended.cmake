# SPDX-License-Identifier: GPL-3.0-or-later
# JUCE's wrapper of VST3 with what hosts need changed in it, as copies in the build folder. The text that is changed is
# that of JUCE 7.0.5: another version stops the build here, because it would build without the change.

if(DEFINED JUCE_MODULES_DIR)
  set(LIVEBAND_MODULES ${JUCE_MODULES_DIR})
elseif(DEFINED juce_SOURCE_DIR)
  set(LIVEBAND_MODULES ${juce_SOURCE_DIR}/modules)
else()
  set(LIVEBAND_MODULES /usr/share/juce/modules)
endif()
set(LIVEBAND_MENDED ${CMAKE_CURRENT_BINARY_DIR}/mended)
set(SEMICOLON ";")  # a list would break at one

# liveband_mended(FILE OLD NEW [OLD NEW...]): the file of a module, with each text replaced by another.
function(liveband_mended name)
  file(READ ${LIVEBAND_MODULES}/${name} text)
  while(ARGN)
    list(POP_FRONT ARGN old new)
    string(FIND "${text}" "${old}" at)
    if(at EQUAL -1)
      message(FATAL_ERROR "JUCE's ${name} is not that of JUCE 7.0.5: it has no \"${old}\"")
    endif()
    string(REPLACE "${old}" "${new}" text "${text}")
  endwhile()
  file(CONFIGURE OUTPUT ${LIVEBAND_MENDED}/${name} CONTENT "${text}" @ONLY)
endfunction()

# A vector is copied for each bus in every block: memory asked for on the audio thread.
liveband_mended(juce_audio_processors/format_types/juce_VST3Common.h
  "const auto mapping = map[busIndex]" "const auto& mapping = map[busIndex]")

# On a display where no window manager ever ran, names that JUCE looks up are missing, and X ends the host's process.
liveband_mended(juce_audio_plugin_client/utility/juce_LinuxMessageThread.h
  "        XWindowSystem::getInstance()"
  "        liveband::plugin::NamedAtoms{}, XWindowSystem::getInstance()"
  "namespace juce
{

// Implemented"
  "#include \"BareDisplay.h\"

namespace juce
{

// Implemented")

# A block longer than announced would be written beyond the wrapper's buffers.
liveband_mended(juce_audio_plugin_client/VST3/juce_VST3_Wrapper.cpp
  "#include \"../utility/juce_LinuxMessageThread.h\""
  "#include <juce_audio_plugin_client/utility/juce_LinuxMessageThread.h>
#include \"Slices.h\""
  "#include \"../utility/" "#include \"juce_audio_plugin_client/utility/"
  "    tresult PLUGIN_API process (Vst::ProcessData& data) override
    {"
  "    tresult PLUGIN_API process (Vst::ProcessData& data) override
    {
        return liveband::plugin::inSlices (data, processSetup.maxSamplesPerBlock, processSetup.sampleRate,
                                           [this] (Vst::ProcessData& slice) { return processSlice (slice)@SEMICOLON@ })@SEMICOLON@
    }

    tresult processSlice (Vst::ProcessData& data)
    {")

get_target_property(sources juce_audio_plugin_client_VST3 INTERFACE_SOURCES)
list(TRANSFORM sources REPLACE "^.*juce_audio_plugin_client_VST3.cpp$"
     ${LIVEBAND_MENDED}/juce_audio_plugin_client/VST3/juce_VST3_Wrapper.cpp)
set_target_properties(juce_audio_plugin_client_VST3 PROPERTIES INTERFACE_SOURCES "${sources}")
target_include_directories(LiveBand_VST3 BEFORE PRIVATE ${LIVEBAND_MENDED} ${CMAKE_CURRENT_SOURCE_DIR})

# LV2 is our own altogether: JUCE's needs features that many hosts have not got, and has no control ports.
if(TARGET LiveBand_LV2)
  set_target_properties(juce_audio_plugin_client_LV2 PROPERTIES INTERFACE_SOURCES "")
  set(LIVEBAND_LV2_SOURCES lv2/Entry.cpp lv2/HostMap.cpp lv2/Instance.cpp lv2/Messages.cpp lv2/PlayHead.cpp
      lv2/Turtle.cpp lv2/Window.cpp)
  target_sources(LiveBand_LV2 PRIVATE ${LIVEBAND_LV2_SOURCES})
  set_source_files_properties(${LIVEBAND_LV2_SOURCES} PROPERTIES COMPILE_OPTIONS
    "$<$<CXX_COMPILER_ID:GNU,Clang>:-Wall;-Wextra;-Werror>")
  target_include_directories(LiveBand_LV2 BEFORE PRIVATE ${LIVEBAND_MENDED} ${CMAKE_CURRENT_SOURCE_DIR})
endif()
