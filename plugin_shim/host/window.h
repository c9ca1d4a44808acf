// SPDX-License-Identifier: GPL-3.0-or-later
// A window of the host's on an X11 display, and the run loop that it lends to the view in it.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "plug.h"

namespace host {

/// Width and height in pixels.
struct Extent {
    int width = 0, height = 0;
    bool operator==(const Extent& other) const { return width == other.width && height == other.height; }
};

/// To be made before the module is loaded: JUCE looks once for the names that window managers and toolkits leave on a
/// display, and ends the process where they are missing. All of it on one thread, which is then the plug-in's
/// message thread.
class Window final : public Steinberg::IPlugFrame, public Steinberg::Linux::IRunLoop {
  public:
    /// `y`: its place on the screen, for one beneath another. Throws Unusable without a display.
    explicit Window(int y = 0);
    ~Window();
    Window(const Window&) = delete;
    Window& operator=(const Window&) = delete;

    /// Makes the plug-in's view, gives it a window of the size that it asks for, attaches it. False: refused.
    bool open(Plug& plug);
    /// Detaches and releases the view.
    void close();
    Steinberg::IPlugView* view() const { return view_; }
    /// Timers, files and events for so long.
    void run(int ms);

    /// What the view says of itself.
    Extent said() const;
    /// The window that the plug-in put into ours; zeros if there is none that can be seen.
    Extent inner() const;
    /// As a user drags the corner: the nearest size that the view allows. Nothing is drawn yet.
    bool resize(Extent wanted);
    /// Different colours to be seen in the window now.
    int colours() const;
    /// Presses and releases the first button, seen from the window's upper left; then lets the plug-in work.
    void click(int x, int y);
    /// The same, moved by so much in between, in steps.
    void drag(int x, int y, int dx, int dy);
    /// How often the view asked for another size.
    int asked() const { return asked_; }
    /// What the display had to complain of since the last time.
    static std::vector<std::string> complaints();

    tresult PLUGIN_API queryInterface(const TUID asked, void** object) override;
    uint32 PLUGIN_API addRef() override { return 1000; }
    uint32 PLUGIN_API release() override { return 1000; }
    tresult PLUGIN_API resizeView(Steinberg::IPlugView* view, Steinberg::ViewRect* size) override;
    tresult PLUGIN_API registerEventHandler(Steinberg::Linux::IEventHandler* handler, int file) override;
    tresult PLUGIN_API unregisterEventHandler(Steinberg::Linux::IEventHandler* handler) override;
    tresult PLUGIN_API registerTimer(Steinberg::Linux::ITimerHandler* handler, Steinberg::uint64 every_ms) override;
    tresult PLUGIN_API unregisterTimer(Steinberg::Linux::ITimerHandler* handler) override;

  private:
    struct Native;
    struct File {
        Steinberg::Linux::IEventHandler* handler;
        int file;
    };
    struct Timer {
        Steinberg::Linux::ITimerHandler* handler;
        std::int64_t every_ms, due_ms;
    };
    void runFiles(int most_ms);
    void runTimers();
    void button(bool pressed, int x, int y);
    void motion(bool pressed, int x, int y);

    std::unique_ptr<Native> native_;
    IPtr<Steinberg::IPlugView> view_;
    mutable std::recursive_mutex mutex_;  // a plug-in may hand in a file from any thread
    std::vector<File> files_;
    std::vector<Timer> timers_;
    int asked_ = 0;
};

}  // namespace host
