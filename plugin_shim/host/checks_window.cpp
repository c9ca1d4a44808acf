// SPDX-License-Identifier: GPL-3.0-or-later
// After pluginval's checks of the editor, and our own: in a window on an X11 display, with a run loop of the host's.
#include <pluginterfaces/gui/iplugviewcontentscalesupport.h>

#include <chrono>
#include <clocale>
#include <cmath>
#include <filesystem>
#include <iterator>

#include "check.h"
#include "playing.h"
#include "window.h"

namespace host {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kSettle_ms = 150;
/// A window with anything drawn in it has more: text alone is smoothed in dozens of shades.
constexpr int kFewColours = 40;

double msSince(Clock::time_point begun) {
    return std::chrono::duration<double, std::milli>(Clock::now() - begun).count();
}

std::string text(Extent of) {
    return std::to_string(of.width) + " x " + std::to_string(of.height);
}

/// A plug-in and the window for its view, which is closed before the plug-in goes.
struct Stage {
    explicit Stage(Bench& owner) : bench(owner), module(owner.bundle), plug(module) {}
    ~Stage() { close(); }
    bool open() { return bench.expect(window.open(plug), "the view is refused"); }
    void close() {
        window.close();
        for (const auto& one : Window::complaints()) bench.expect(false, "the display complains: " + one);
    }
    /// The view is there, as large as it says, and drawn.
    void seen(const std::string& when) {
        window.run(kSettle_ms);
        const auto said = window.said(), inner = window.inner();
        bench.expect(said.width > 0 && said.height > 0, when + ": the view has no size");
        bench.expect(said == inner, when + ": says " + text(said) + ", but is " + text(inner));
        for (int n = 0; n < 20 && window.colours() <= kFewColours; ++n) window.run(100);
        bench.expect(window.colours() > kFewColours, when + ": nothing is drawn");
    }

    Bench& bench;
    Window window;  // before the module is loaded
    Module module;
    Plug plug;
};

void locale(Bench& bench) {
    std::setlocale(LC_ALL, "");
    const std::string before = std::setlocale(LC_ALL, nullptr);
    Stage stage(bench);
    if (!stage.open()) return;
    stage.window.run(kSettle_ms);
    stage.close();
    bench.expect(before == std::setlocale(LC_ALL, nullptr), "the locale has changed");
}

void editor(Bench& bench) {
    Stage stage(bench);
    bench.expect(stage.plug.start({}), "a set-up is refused");
    for (const auto* when : {"cold", "warm"}) {
        const auto begun = Clock::now();
        if (!stage.open()) return;
        bench.expect(msSince(begun) < 3000.0, std::string(when) + ": it takes seconds to open");
        stage.seen(when);
        stage.close();
        bench.expect(stage.window.inner() == Extent{}, std::string(when) + ": its window stays behind");
    }
}

void contentScale(Bench& bench) {
    Stage stage(bench);
    if (!stage.open()) return;
    auto scaling =
        as<Steinberg::IPlugViewContentScaleSupport>(stage.window.view(), Steinberg::IPlugViewContentScaleSupport_iid);
    if (!bench.expect(scaling != nullptr, "no IPlugViewContentScaleSupport")) return;
    stage.seen("at 1");
    const auto first = stage.window.said();
    for (const float factor : {1.0f, 2.0f, 1.25f, 1.0f}) {
        const auto when = "at " + std::to_string(factor);
        bench.expect(scaling->setContentScaleFactor(factor) == kResultOk, when + ": refused");
        stage.seen(when);
        const auto now = stage.window.said();
        bench.expect(std::abs(static_cast<float>(now.width) - factor * static_cast<float>(first.width)) < 3.0f &&
                         std::abs(static_cast<float>(now.height) - factor * static_cast<float>(first.height)) < 3.0f,
                     when + ": " + text(now) + " instead of that much of " + text(first));
    }
    // A factor that was set before the view is attached.
    stage.close();
    if (!stage.open()) return;
    stage.seen("opened again");
    bench.expect(stage.window.said() == first, "opened again it has another size");
}

void whilstProcessing(Bench& bench) {
    Stage stage(bench);
    bench.expect(stage.plug.start({}), "a set-up is refused");
    const Playing playing(bench, stage.plug, {}, "while the window opens");
    for (int n = 0; n < 4; ++n) {
        if (!stage.open()) return;
        stage.seen("while it plays");
        stage.close();
    }
    bench.expect(playing.blocks() > 0, "no block was played");
}

void editorAutomation(Bench& bench) {
    Stage stage(bench);
    bench.expect(stage.plug.start({}), "a set-up is refused");
    if (!stage.open()) return;
    const auto all = stage.plug.parameters();
    Block block{Setup{}};
    for (int n = 0; n < 1000; ++n) {
        // Every parameter, from a host's side and with the block, and the window follows.
        for (const auto& one : all) stage.plug.set(one.info.id, bench.unit(), n % 4 == 0 ? &block.changes : nullptr);
        if (n % 4 == 0) bench.play(stage.plug, block, 1, "automation");
        stage.window.run(3);
    }
    stage.seen("after the automation");
    bench.expect(stage.plug.handler.begun == stage.plug.handler.ended, "a gesture began or ended alone");
}

void editorStress(Bench& bench) {
    Stage stage(bench);
    // Never set up; the rate is not known.
    if (!stage.open()) return;
    stage.seen("never set up");
    stage.close();
    bench.expect(stage.plug.start({}), "a set-up is refused");
    stage.plug.stop();
    if (!stage.open()) return;
    stage.seen("released");
    // Set up, played and released beneath an open window.
    for (const int samples : {64, 1024}) {
        Setup setup;
        setup.block_samples = samples;
        bench.expect(stage.plug.start(setup), "a set-up is refused");
        Block block(setup);
        bench.play(stage.plug, block, 5, "beneath an open window");
        stage.window.run(30);
        stage.plug.stop();
    }
    stage.seen("after set-ups");
    stage.close();
    for (int n = 0; n < 10; ++n) {
        // Closed before it was drawn.
        if (!stage.open()) return;
        stage.close();
    }
    if (stage.open()) stage.seen("after ten that were closed at once");
}

void backgroundState(Bench& bench) {
    Stage stage(bench);
    bench.expect(stage.plug.start({}), "a set-up is refused");
    if (!stage.open()) return;
    const auto kept = stage.plug.state();
    const auto all = stage.plug.parameters();
    std::atomic<bool> done{false};
    std::thread loader([&] {
        std::uint32_t seed = bench.seed;
        for (int n = 0; n < 10; ++n) {
            for (const auto& one : all) {
                seed = seed * 1664525u + 1013904223u;
                stage.plug.control->setParamNormalized(one.info.id, (seed >> 8) / 16777216.0);
            }
            bench.expect(stage.plug.load(kept) == kResultOk, "its own state is refused");
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
        done = true;
    });
    const Playing playing(bench, stage.plug, {}, "while states are loaded");
    while (!done) stage.window.run(5);
    loader.join();
    // What a state sets off may come later.
    stage.window.run(1500);
    stage.seen("after the states");
    bench.expect(stage.plug.state() == kept, "the state is not what was loaded");
}

void resizing(Bench& bench) {
    Stage stage(bench);
    if (!stage.open()) return;
    bench.expect(stage.window.view()->canResize() == kResultOk, "it cannot be resized");
    stage.seen("as it opens");
    const auto first = stage.window.said();
    for (const double factor : {1.1, 1.2, 0.9, 0.1, 20.0, 0.75, 1.0}) {
        const Extent wanted{static_cast<int>(std::lround(first.width * factor)),
                            static_cast<int>(std::lround(first.height * factor))};
        const auto when = "at " + text(wanted);
        bench.expect(stage.window.resize(wanted), when + ": refused");
        stage.seen(when);
        const auto now = stage.window.said();
        if (factor > 0.7 && factor < 3.0)
            bench.expect(std::abs(now.width - wanted.width) <= 1 && std::abs(now.height - wanted.height) <= 1,
                         when + ": it is " + text(now));
        bench.expect(std::abs(static_cast<double>(now.width) / now.height -
                              static_cast<double>(first.width) / first.height) < 0.01,
                     when + ": its shape has changed");
        // What it allowed once it allows again.
        Steinberg::ViewRect again(0, 0, now.width, now.height);
        stage.window.view()->checkSizeConstraint(&again);
        bench.expect(again.getWidth() == now.width && again.getHeight() == now.height,
                     when + ": " + text(now) + " is not what it allows");
    }
    for (int n = 0; n < 40; ++n) {
        // As a corner is dragged, without a moment to draw.
        stage.window.resize({first.width + 10 * n, first.height + 3 * n});
        stage.window.run(5);
    }
    const auto last = stage.window.said();
    stage.seen("after a drag of the corner");
    stage.close();
    if (!stage.open()) return;
    stage.seen("opened again");
    bench.expect(stage.window.said() == last,
                 "opened again it is " + text(stage.window.said()) + ", was " + text(last));
}

void mouse(Bench& bench) {
    Stage stage(bench);
    bench.expect(stage.plug.start({}), "a set-up is refused");
    if (!stage.open()) return;
    stage.seen("before it is clicked");
    auto& told = stage.plug.handler;
    const auto size = stage.window.said();
    // Beneath the header, where a click would start a server.
    for (int y = size.height / 6; y < size.height; y += size.height / 14)
        for (int x = 4; x < size.width; x += size.width / 20) stage.window.click(x, y);
    bench.expect(told.performed > 0, "no click changes anything");
    const int clicked = told.performed;
    for (int y = size.height / 6; y < size.height; y += size.height / 8)
        for (int x = 12; x < size.width; x += size.width / 12) stage.window.drag(x, y, 7, -24);
    bench.expect(told.performed > clicked, "no drag changes anything");
    stage.window.run(kSettle_ms);
    bench.expect(told.begun == told.ended,
                 std::to_string(told.begun) + " gestures began and " + std::to_string(told.ended) + " ended");
    bench.expect(told.bad_values == 0, "a value beyond 0..1 is told to the host");
    for (const auto& one : stage.plug.parameters()) {
        const double value = stage.plug.control->getParamNormalized(one.info.id);
        bench.expect(value >= 0.0 && value <= 1.0, one.title + ": beyond 0..1");
    }
    stage.seen("after it was clicked");
    Block block{Setup{}};
    bench.play(stage.plug, block, 5, "after it was clicked");
}

long openFiles() {
    const std::filesystem::directory_iterator files("/proc/self/fd");
    return std::distance(begin(files), end(files));
}

long threads() {
    const std::filesystem::directory_iterator tasks("/proc/self/task");
    return std::distance(begin(tasks), end(tasks));
}

void openedOften(Bench& bench) {
    Stage stage(bench);
    bench.expect(stage.plug.start({}), "a set-up is refused");
    long files = 0, tasks = 0;
    for (int n = 0; n < 40; ++n) {
        if (!stage.open()) return;
        stage.window.run(10);
        stage.close();
        if (n == 4) {
            files = openFiles();
            tasks = threads();
        }
    }
    bench.expect(openFiles() <= files, "files stay open");
    bench.expect(threads() <= tasks, "threads stay");
}

void twoWindows(Bench& bench) {
    // Two instances, two windows, one message thread.
    Window other_window(600);
    Stage stage(bench);
    Plug other(stage.module);
    if (!stage.open() || !bench.expect(other_window.open(other), "the second view is refused")) return;
    // JUCE has all its work done by the loop of one of them: a host has but one.
    const auto runBoth = [&] {
        for (int n = 0; n < 40; ++n) {
            stage.window.run(5);
            other_window.run(5);
        }
    };
    runBoth();
    stage.seen("beside another");
    bench.expect(other_window.colours() > kFewColours, "nothing is drawn in the second");
    stage.close();
    runBoth();
    bench.expect(other_window.colours() > kFewColours, "nothing is drawn in the second once the first has gone");
    if (!stage.open()) return;
    runBoth();
    stage.seen("opened again beside another");
    other_window.close();
    stage.seen("after the other has gone");
}

void closedAndOn(Bench& bench) {
    // While a view is there its messages go through the host's loop; without one the plug-in must help itself.
    Stage stage(bench);
    bench.expect(stage.plug.start({}), "a set-up is refused");
    const auto reset = stage.plug.parameter("reset");
    if (!bench.expect(reset.has_value(), "there is no reset")) return;
    auto& control = *stage.plug.control;
    // A button that goes back by itself, once messages are delivered.
    const auto goesBack = [&](const std::string& when, auto pass) {
        control.setParamNormalized(reset->info.id, 1.0);
        for (int n = 0; n < 300 && control.getParamNormalized(reset->info.id) > 0.5; ++n) pass();
        bench.expect(control.getParamNormalized(reset->info.id) < 0.5, when + ": no messages are delivered");
    };
    const auto sleep = [] { std::this_thread::sleep_for(std::chrono::milliseconds(10)); };
    goesBack("before there is a window", sleep);
    for (int n = 0; n < 3; ++n) {
        if (!stage.open()) return;
        goesBack("while it is open", [&] { stage.window.run(10); });
        stage.close();
        goesBack("after the window was closed", sleep);
    }
}

}  // namespace

std::vector<Check> windowChecks() {
    return {{"pluginval-1/Ensuring that the locale does not change during execution", locale},
            {"pluginval-2/Editor (cold and warm)", editor},
            {"pluginval-3/Editor DPI Awareness", contentScale},
            {"pluginval-4/Open editor whilst processing", whilstProcessing},
            {"pluginval-5/Editor Automation", editorAutomation},
            {"pluginval-6/Editor stress", editorStress},
            {"pluginval-7/Background thread state", backgroundState},
            {"liveband/window resized", resizing},
            {"liveband/window clicked and dragged all over", mouse},
            {"liveband/window opened often", openedOften},
            {"liveband/two windows", twoWindows},
            {"liveband/window closed, the plug-in goes on", closedAndOn}};
}

}  // namespace host
