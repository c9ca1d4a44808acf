// SPDX-License-Identifier: GPL-3.0-or-later
#include "PlayHead.h"

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wparentheses"
#endif
#include <lv2/atom/util.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
#include <lv2/time/time.h>

#include <cmath>

namespace liveband::plugin::lv2 {

PlayHead::PlayHead(const HostMap& map, double rate_hz)
    : rate_hz_(rate_hz),
      types_(map),
      sequence_(map(LV2_ATOM__Sequence)),
      object_(map(LV2_ATOM__Object)),
      blank_(map(LV2_ATOM__Blank)),
      position_(map(LV2_TIME__Position)),
      bar_(map(LV2_TIME__bar)),
      beat_(map(LV2_TIME__beat)),
      bar_beat_(map(LV2_TIME__barBeat)),
      beat_unit_(map(LV2_TIME__beatUnit)),
      beats_per_bar_(map(LV2_TIME__beatsPerBar)),
      bpm_(map(LV2_TIME__beatsPerMinute)),
      frame_(map(LV2_TIME__frame)),
      speed_(map(LV2_TIME__speed)) {}

void PlayHead::read(const LV2_Atom_Sequence* events) {
    info_ = {};
    if (events == nullptr || sequence_ == 0 || events->atom.type != sequence_) return;
    for (const auto* event = lv2_atom_sequence_begin(&events->body);
         !lv2_atom_sequence_is_end(&events->body, events->atom.size, event); event = lv2_atom_sequence_next(event)) {
        const auto type = event->body.type;
        if (type != object_ && type != blank_) continue;
        const auto& object = *reinterpret_cast<const LV2_Atom_Object*>(&event->body);
        if (event->body.size >= sizeof(LV2_Atom_Object_Body) && object.body.otype == position_) take(object);
    }
}

void PlayHead::take(const LV2_Atom_Object& position) {
    double bar = NAN, beat = NAN, bar_beat = NAN, unit = 4.0, per_bar = NAN, bpm = NAN, frame = NAN, speed = 0.0;
    const struct {
        LV2_URID key;
        double& value;
    } wanted[] = {{bar_, bar},     {beat_, beat},       {bar_beat_, bar_beat}, {beat_unit_, unit},
                  {bpm_, bpm},     {frame_, frame},     {speed_, speed},       {beats_per_bar_, per_bar}};
    for (const auto* property = lv2_atom_object_begin(&position.body);
         !lv2_atom_object_is_end(&position.body, position.atom.size, property);
         property = lv2_atom_object_next(property))
        for (const auto& one : wanted)
            if (property->key == one.key)
                one.value =
                    types_.number(property->value.type, property->value.size, &property->value + 1, one.value);
    PositionInfo info;
    info.setIsPlaying(speed != 0.0 && std::isfinite(speed));
    if (std::isfinite(bpm)) info.setBpm(bpm);
    const double quarters = unit >= 1.0 ? 4.0 / unit : 1.0;  // of one beat
    const bool metre = per_bar >= 1.0 && per_bar <= 64.0 && unit >= 1.0 && unit <= 64.0;
    if (metre) info.setTimeSignature(TimeSignature{juce::roundToInt(per_bar), juce::roundToInt(unit)});
    if (metre && std::isfinite(bar) && std::isfinite(bar_beat)) {
        info.setPpqPositionOfLastBarStart(bar * per_bar * quarters);
        info.setPpqPosition((bar * per_bar + bar_beat) * quarters);
    } else if (std::isfinite(beat)) {
        info.setPpqPosition(beat * quarters);
    }
    if (std::isfinite(frame)) {
        info.setTimeInSamples(static_cast<juce::int64>(frame));
        info.setTimeInSeconds(frame / rate_hz_);
    }
    info_ = info;
}

}  // namespace liveband::plugin::lv2
