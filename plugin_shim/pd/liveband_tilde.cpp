// SPDX-License-Identifier: GPL-3.0-or-later
// `liveband~`: a band member in Pd. Signals in and out through shared memory, everything else as messages.
//
//     liveband~ [NAME] [-channels 1|2] [-block SAMPLES] [-offline]
#include <m_pd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "liveband/backstage.h"

namespace {

using liveband::Backstage;
using liveband::Chair;
using liveband::Report;

t_class* liveband_class = nullptr;
constexpr double kHearEveryMs = 50.0;

// Sessions end when Pd does.
Backstage& backstage() {
    static Backstage one("pd");
    return one;
}

struct LiveBand {
    t_object object;
    t_float first_inlet;
    Chair* chair;
    int channels, block;
    bool offline;
    t_outlet* status;
    t_clock* clock;
    t_sample* in[Chair::kMostChannels];
    t_sample* out[Chair::kMostChannels];
    liveband::Report* told;
};

t_int* perform(t_int* words) {
    auto* const x = reinterpret_cast<LiveBand*>(words[1]);
    x->chair->play(x->in, x->out, static_cast<int>(words[2]));
    return words + 3;
}

void dsp(LiveBand* x, t_signal** signals) {
    for (int channel = 0; channel < x->channels; ++channel) {
        x->in[channel] = signals[channel]->s_vec;
        x->out[channel] = signals[x->channels + channel]->s_vec;
    }
    liveband::Format format;
    format.rate_hz = static_cast<double>(signals[0]->s_sr);
    format.channels = x->channels;
    format.block_samples = x->block > signals[0]->s_n ? x->block : signals[0]->s_n;
    format.offline = x->offline;
    x->chair->prepare(format);
    dsp_add(perform, 2, x, static_cast<t_int>(signals[0]->s_n));
}

void tell(LiveBand* x, const char* name, double value) {
    t_atom atom;
    SETFLOAT(&atom, static_cast<t_float>(value));
    outlet_anything(x->status, gensym(name), 1, &atom);
}

void tell(LiveBand* x, const char* name, const char* text) {
    t_atom atom;
    SETSYMBOL(&atom, gensym(text));
    outlet_anything(x->status, gensym(name), 1, &atom);
}

void complain(LiveBand* x, const char* why) {
    pd_error(x, "liveband~: %s", why);
    tell(x, "error", why);
}

void tellAll(LiveBand* x) {
    const Report& told = *x->told;
    tell(x, "session", told.session.data());
    tell(x, "latency_samples", told.latency_samples);
    tell(x, "anticipation_ms", told.anticipation_ms);
    tell(x, "recency_gap_ms", told.recency_gap_ms);
    tell(x, "headroom_ms", told.headroom_ms);
    tell(x, "late_frames", static_cast<double>(told.late_frames));
    tell(x, "tempo", x->chair->time.tempo());
    tell(x, "text", told.text.data());
    tell(x, "state", toText(told.state));
}

void hear(LiveBand* x) {
    clock_delay(x->clock, kHearEveryMs);
    for (;;) {
        const Report before = *x->told;
        if (!x->chair->hear(*x->told)) return;
        const Report& now = *x->told;
        if (now.new_error) complain(x, now.error.data());
        if (std::strcmp(before.session.data(), now.session.data()) != 0) tell(x, "session", now.session.data());
        if (before.latency_samples != now.latency_samples) tell(x, "latency_samples", now.latency_samples);
        if (before.anticipation_ms != now.anticipation_ms) tell(x, "anticipation_ms", now.anticipation_ms);
        if (before.late_frames != now.late_frames) tell(x, "late_frames", static_cast<double>(now.late_frames));
        if (std::strcmp(before.text.data(), now.text.data()) != 0) tell(x, "text", now.text.data());
        if (before.state != now.state) tell(x, "state", toText(now.state));
    }
}

/// An atom as a performer has written it.
std::string written(const t_atom& atom) {
    if (atom.a_type == A_SYMBOL) return atom.a_w.w_symbol->s_name;
    char text[32];
    std::snprintf(text, sizeof text, "%.10g", liveband::asTyped(static_cast<float>(atom_getfloat(&atom))));
    return text;
}

bool isNumber(int count, const t_atom* atoms, int place) {
    return place < count && atoms[place].a_type == A_FLOAT;
}

double numberOf(int count, const t_atom* atoms, int place) {
    return liveband::asTyped(static_cast<float>(atom_getfloatarg(place, count, atoms)));
}

void hearTempo(LiveBand* x, int count, const t_atom* atoms) {
    const double beats = numberOf(count, atoms, 0), per = isNumber(count, atoms, 1) ? numberOf(count, atoms, 1) : 1.0;
    if (!isNumber(count, atoms, 0) || per == 0.0 || !x->chair->time.tempo(beats / per))
        complain(x, "tempo wants beats per minute, 10 to 400, or 0 if the band shall find it by ear; a second number "
                    "divides it: tempo 60000 494.65");
}

void hearAnything(LiveBand* x, t_symbol* selector, int count, t_atom* atoms) {
    const std::string word = selector->s_name;
    if (word == "tempo") {
        hearTempo(x, count, atoms);
    } else if (word == "bar") {
        if (!isNumber(count, atoms, 0) || !x->chair->time.bar(numberOf(count, atoms, 0)))
            complain(x, "bar wants the quarter notes of a bar, 1 to 16");
    } else if (word == "play") {
        if (count > 0 && !isNumber(count, atoms, 0))
            complain(x, "play wants nothing, or the beat to begin at, counted from 0");
        else
            x->chair->time.play(numberOf(count, atoms, 0));
    } else if (word == "stop") {
        x->chair->time.stop();
    } else {
        std::string line = word;
        for (int i = 0; i < count; ++i) line += " " + written(atoms[i]);
        if (!x->chair->say(line)) complain(x, "too much at once, or a line longer than 4200 characters");
    }
}

/// Pd calls each with the arguments it was announced with.
template <typename Function>
t_method method(Function* function) {
    return reinterpret_cast<t_method>(reinterpret_cast<void*>(function));
}

void* make(t_symbol*, int count, t_atom* atoms) {
    auto* const x = reinterpret_cast<LiveBand*>(pd_new(liveband_class));
    x->channels = 2;
    x->block = 512;
    x->offline = false;
    std::string name, wrong;
    for (int i = 0; i < count; ++i) {
        const std::string word = written(atoms[i]);
        const int value = isNumber(count, atoms, i + 1) ? static_cast<int>(atom_getfloat(&atoms[i + 1])) : 0;
        if (word == "-channels" && (value == 1 || value == 2)) {
            x->channels = value;
            ++i;
        } else if (word == "-block" && value >= 1 && value <= static_cast<int>(liveband::protocol::kMaxBlock)) {
            x->block = value;
            ++i;
        } else if (word == "-offline") {
            x->offline = true;
        } else if (name.empty() && word[0] != '-' && word.size() <= 64) {
            name = word;
        } else {
            wrong = word;
        }
    }
    x->chair = wrong.empty() ? backstage().take(name.c_str()) : nullptr;
    if (x->chair == nullptr) {
        if (wrong.empty())
            pd_error(x, "liveband~: %d are the most in one Pd", Backstage::kChairs);
        else
            pd_error(x, "liveband~: '%s' is not understood: [NAME] [-channels 1|2] [-block SAMPLES] [-offline]",
                     wrong.c_str());
        pd_free(reinterpret_cast<t_pd*>(x));
        return nullptr;
    }
    for (int i = 1; i < x->channels; ++i) inlet_new(&x->object, &x->object.ob_pd, &s_signal, &s_signal);
    for (int i = 0; i < x->channels; ++i) outlet_new(&x->object, &s_signal);
    x->status = outlet_new(&x->object, nullptr);
    x->told = new Report;
    x->clock = clock_new(x, method(hear));
    clock_delay(x->clock, 0.0);
    return x;
}

void release(LiveBand* x) {
    if (x->clock != nullptr) clock_free(x->clock);
    delete x->told;
    if (x->chair != nullptr) x->chair->leave();
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void liveband_tilde_setup() {
    static_assert(sizeof(t_sample) == sizeof(float), "a Pd of 32-bit samples");
    liveband_class = class_new(gensym("liveband~"), reinterpret_cast<t_newmethod>(method(make)), method(release),
                               sizeof(LiveBand), CLASS_DEFAULT, A_GIMME, 0);
    CLASS_MAINSIGNALIN(liveband_class, LiveBand, first_inlet);
    class_addmethod(liveband_class, method(dsp), gensym("dsp"), A_CANT, 0);
    class_addbang(liveband_class, method(tellAll));
    class_addanything(liveband_class, method(hearAnything));
    backstage();
}
