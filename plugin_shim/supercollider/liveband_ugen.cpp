// SPDX-License-Identifier: GPL-3.0-or-later
// `LiveBand` for scsynth: a band member as a UGen. Its constructor runs on the audio thread, so it only takes a chair;
// what could wait is done backstage. Words come by `/cmd liveband ID WORD ...`.
#include <SC_PlugIn.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>

#include "liveband/backstage.h"

static InterfaceTable* ft;

namespace {

using liveband::Backstage;
using liveband::Chair;

// Inputs, as LiveBand.sc gives them: these, then the signals, then pairs of a control's number and its value.
enum Input { kId, kTempo, kPlay, kBeatsPerBar, kBlock, kChannels, kFirstSignal };

struct LiveBand : public Unit {
    Chair* chair;
    int id, channels;
    float tempo, play, beats_per_bar;
    LiveBand *before, *after;  // in the list of all that play
};

std::unique_ptr<Backstage> backstage;
LiveBand* all = nullptr;  // the audio thread's
std::array<std::atomic<int>, Backstage::kChairs> ids;

void post(int chair, const liveband::Report& report) {
    const int id = ids[static_cast<std::size_t>(chair)].load();
    if (report.new_error)
        Print("LiveBand %d: %s\n", id, report.error.data());
    else if (report.text[0] != 0)
        Print("LiveBand %d (session %s): %s\n", id, report.session.data(), report.text.data());
}

void hearTime(LiveBand* unit) {
    const float tempo = IN0(kTempo), play = IN0(kPlay), bar = IN0(kBeatsPerBar);
    liveband::OwnTime& time = unit->chair->time;
    if (tempo != unit->tempo && time.tempo(liveband::asTyped(tempo))) unit->tempo = tempo;
    if (bar != unit->beats_per_bar && time.bar(static_cast<double>(bar))) unit->beats_per_bar = bar;
    if (play > 0.0f && unit->play <= 0.0f) time.play(0.0);
    if (play <= 0.0f && unit->play > 0.0f) time.stop();
    unit->play = play;
}

void hearControls(LiveBand* unit, bool all_of_them) {
    const int first = kFirstSignal + unit->channels;
    for (int i = first; i + 1 < static_cast<int>(unit->mNumInputs); i += 2) {
        const auto control = static_cast<liveband::protocol::Control>(static_cast<int>(IN0(i)));
        unit->chair->followControl(control, liveband::asTyped(IN0(i + 1)), all_of_them);
    }
}

void next(LiveBand* unit, int samples) {
    hearTime(unit);
    hearControls(unit, false);
    const float* in[Chair::kMostChannels] = {};
    float* out[Chair::kMostChannels] = {};
    for (int channel = 0; channel < unit->channels; ++channel) {
        in[channel] = IN(kFirstSignal + channel);
        out[channel] = OUT(channel);
    }
    unit->chair->play(in, out, samples);
}

void silent(LiveBand* unit, int samples) {
    ClearUnitOutputs(unit, samples);
}

void LiveBand_Ctor(LiveBand* unit) {
    unit->id = static_cast<int>(IN0(kId));
    unit->channels = static_cast<int>(IN0(kChannels));
    unit->before = unit->after = nullptr;
    unit->tempo = unit->play = 0.0f;
    unit->beats_per_bar = 4.0f;
    const bool offline = !unit->mWorld->mRealTime;
    char session[32] = "";
    // Renders may run beside each other and beside what plays live.
    if (!offline) std::snprintf(session, sizeof session, "sc-%d", unit->id);
    const bool fits = unit->channels >= 1 && unit->channels <= Chair::kMostChannels &&
                      static_cast<int>(unit->mNumOutputs) == unit->channels &&
                      static_cast<int>(unit->mNumInputs) >= kFirstSignal + unit->channels;
    unit->chair = fits ? backstage->take(session) : nullptr;
    ClearUnitOutputs(unit, 1);
    // Not SETCALC's way: it would compute a first sample here, and that is another block than the host's.
    unit->mCalcFunc = reinterpret_cast<UnitCalcFunc>(reinterpret_cast<void*>(unit->chair != nullptr ? next : silent));
    if (unit->chair == nullptr) {
        Print("LiveBand: %d at once are the most, with one or two channels each\n", Backstage::kChairs);
        return;
    }
    ids[static_cast<std::size_t>(unit->chair->number())].store(unit->id);
    liveband::Format format;
    format.rate_hz = unit->mWorld->mSampleRate;
    format.channels = unit->channels;
    format.block_samples = std::max({static_cast<int>(IN0(kBlock)), unit->mWorld->mBufLength, 1});
    format.offline = offline;
    unit->after = all;
    if (all != nullptr) all->before = unit;
    all = unit;
    hearControls(unit, true);
    unit->chair->prepare(format);
}

void LiveBand_Dtor(LiveBand* unit) {
    if (unit->chair == nullptr) return;
    unit->chair->leave();
    if (unit->before != nullptr) unit->before->after = unit->after;
    if (unit->after != nullptr) unit->after->before = unit->before;
    if (all == unit) all = unit->after;
}

/// Words of a line, added one by one, without taking memory.
class LineText {
  public:
    void add(const char* word) noexcept {
        const std::size_t length = std::strlen(word);
        if (length + 1 > text_.size() - length_) {
            too_long_ = true;
            return;
        }
        if (length_ > 0) text_[length_++] = ' ';
        std::memcpy(text_.data() + length_, word, length);
        length_ += length;
    }
    void add(double value) noexcept {
        char text[32];
        std::snprintf(text, sizeof text, "%.10g", value);
        add(text);
    }
    bool tooLong() const noexcept { return too_long_; }
    std::string_view view() const noexcept { return {text_.data(), length_}; }

  private:
    std::array<char, Chair::kLongestLine> text_;
    std::size_t length_ = 0;
    bool too_long_ = false;
};

void obey(World*, void*, sc_msg_iter* arguments, void*) {
    const int id = arguments->geti(-1);
    LineText line;
    while (arguments->remain() > 0 && !line.tooLong()) {
        const char tag = arguments->nextTag('f');
        if (tag == 's')
            line.add(arguments->gets(""));
        else if (tag == 'i')
            line.add(static_cast<double>(arguments->geti()));
        else if (tag == 'd')
            line.add(arguments->getd());
        else
            line.add(liveband::asTyped(arguments->getf()));
    }
    bool found = false;
    for (LiveBand* unit = all; unit != nullptr; unit = unit->after) {
        if (unit->id != id) continue;
        found = true;
        if (line.tooLong() || !unit->chair->say(line.view()))
            Print("LiveBand %d: too much at once, or a line longer than 4200 characters\n", id);
    }
    if (!found) Print("LiveBand: none with id %d plays\n", id);
}

}  // namespace

PluginLoad(LiveBand) {
    ft = inTable;
    backstage = std::make_unique<Backstage>("sc", post);
    DefineDtorUnit(LiveBand);
    DefinePlugInCmd("liveband", obey, nullptr);
}

C_LINKAGE SC_API_EXPORT void unload() {
    // scsynth unloads first and frees what still plays afterwards.
    for (LiveBand* unit = all; unit != nullptr; unit = unit->after) unit->chair = nullptr;
    all = nullptr;
    backstage.reset();
}
