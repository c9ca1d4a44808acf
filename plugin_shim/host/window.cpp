// SPDX-License-Identifier: GPL-3.0-or-later
#include "window.h"

#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

namespace host {
namespace {

using Steinberg::IPlugView;
using Steinberg::ViewRect;

constexpr int kMostWait_ms = 5;

std::int64_t now_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

std::mutex complaints_mutex;
std::vector<std::string> all_complaints;

/// Xlib's own handler would end the process.
int complain(::Display* display, XErrorEvent* event) {
    char text[128] = {};
    XGetErrorText(display, event->error_code, text, sizeof text);
    const std::lock_guard<std::mutex> lock(complaints_mutex);
    all_complaints.push_back(std::string(text) + ", request " + std::to_string(event->request_code));
    return 0;
}

}  // namespace

struct Window::Native {
    ::Display* display = nullptr;
    ::Window window = 0;

    /// The plug-in's own window inside of ours; 0 if there is none.
    ::Window child() const {
        ::Window root = 0, parent = 0, *children = nullptr, found = 0;
        unsigned int count = 0;
        if (XQueryTree(display, window, &root, &parent, &children, &count) == 0) return 0;
        if (count > 0) found = children[count - 1];
        if (children != nullptr) XFree(children);
        return found;
    }
};

Window::Window(int y) : native_(std::make_unique<Native>()) {
    XInitThreads();
    XSetErrorHandler(complain);
    auto* display = XOpenDisplay(nullptr);
    // A server that was left by its last client begins anew, and answers nobody meanwhile.
    for (int n = 0; n < 20 && display == nullptr; ++n) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        display = XOpenDisplay(nullptr);
    }
    if (display == nullptr) throw Unusable("there is no display: DISPLAY is not set, or nobody answers there");
    native_->display = display;
    const auto root = DefaultRootWindow(display);
    native_->window = XCreateSimpleWindow(display, root, 0, y, 64, 64, 0, 0, 0);
    XSelectInput(display, native_->window, StructureNotifyMask);
    XMapWindow(display, native_->window);
    XSync(display, False);
}

Window::~Window() {
    close();
    if (native_->display == nullptr) return;
    XDestroyWindow(native_->display, native_->window);
    XCloseDisplay(native_->display);
}

bool Window::open(Plug& plug) {
    view_ = IPtr<IPlugView>(plug.control->createView(vst::ViewType::kEditor), false);
    if (!view_ || view_->isPlatformTypeSupported(Steinberg::kPlatformTypeX11EmbedWindowID) != kResultOk) {
        view_ = nullptr;
        return false;
    }
    view_->setFrame(this);
    ViewRect size;
    if (view_->getSize(&size) == kResultOk && size.getWidth() > 0 && size.getHeight() > 0)
        XResizeWindow(native_->display, native_->window, static_cast<unsigned>(size.getWidth()),
                      static_cast<unsigned>(size.getHeight()));
    // The plug-in has a connection of its own: the window must exist for that one too.
    XSync(native_->display, False);
    if (view_->attached(reinterpret_cast<void*>(native_->window), Steinberg::kPlatformTypeX11EmbedWindowID) ==
        kResultOk)
        return true;
    view_->setFrame(nullptr);
    view_ = nullptr;
    return false;
}

void Window::close() {
    if (!view_) return;
    view_->removed();
    view_->setFrame(nullptr);
    view_ = nullptr;
    XSync(native_->display, False);
}

void Window::run(int ms) {
    const auto end = now_ms() + ms;
    do {
        runFiles(static_cast<int>(std::clamp<std::int64_t>(end - now_ms(), 0, kMostWait_ms)));
        runTimers();
        while (XPending(native_->display) > 0) {
            XEvent event;
            XNextEvent(native_->display, &event);
        }
    } while (now_ms() < end);
}

void Window::runFiles(int most_ms) {
    std::vector<File> files;
    {
        const std::lock_guard<std::recursive_mutex> lock(mutex_);
        files = files_;
    }
    std::vector<pollfd> waited;
    for (const auto& one : files) waited.push_back({one.file, POLLIN, 0});
    if (poll(waited.data(), waited.size(), most_ms) <= 0) return;
    for (std::size_t i = 0; i < files.size(); ++i) {
        if (waited[i].revents == 0) continue;
        bool still = false;  // the one before may have taken it back
        {
            const std::lock_guard<std::recursive_mutex> lock(mutex_);
            for (const auto& one : files_)
                still = still || (one.handler == files[i].handler && one.file == files[i].file);
        }
        if (still) files[i].handler->onFDIsSet(files[i].file);
    }
}

void Window::runTimers() {
    std::vector<Steinberg::Linux::ITimerHandler*> due;
    {
        const std::lock_guard<std::recursive_mutex> lock(mutex_);
        for (auto& one : timers_) {
            if (now_ms() < one.due_ms) continue;
            one.due_ms = now_ms() + one.every_ms;
            due.push_back(one.handler);
        }
    }
    for (auto* handler : due) handler->onTimer();
}

Extent Window::said() const {
    ViewRect size;
    if (!view_ || view_->getSize(&size) != kResultOk) return {};
    return {size.getWidth(), size.getHeight()};
}

Extent Window::inner() const {
    const auto child = native_->child();
    XWindowAttributes seen{};
    if (child == 0 || XGetWindowAttributes(native_->display, child, &seen) == 0 || seen.map_state != IsViewable)
        return {};
    return {seen.width, seen.height};
}

bool Window::resize(Extent wanted) {
    ViewRect size(0, 0, wanted.width, wanted.height);
    if (!view_ || view_->canResize() != kResultOk || view_->checkSizeConstraint(&size) != kResultOk) return false;
    if (size.getWidth() <= 0 || size.getHeight() <= 0) return false;
    XResizeWindow(native_->display, native_->window, static_cast<unsigned>(size.getWidth()),
                  static_cast<unsigned>(size.getHeight()));
    XSync(native_->display, False);
    return view_->onSize(&size) == kResultOk;
}

int Window::colours() const {
    auto* display = native_->display;
    XWindowAttributes seen{};
    if (XGetWindowAttributes(display, native_->window, &seen) == 0) return 0;
    // No more than the screen shows.
    const int width = std::min(seen.width, DisplayWidth(display, DefaultScreen(display)));
    const int height = std::min(seen.height, DisplayHeight(display, DefaultScreen(display)));
    auto* image = XGetImage(display, native_->window, 0, 0, static_cast<unsigned>(width), static_cast<unsigned>(height),
                            AllPlanes, ZPixmap);
    if (image == nullptr) return 0;
    std::set<unsigned long> found;
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x) found.insert(XGetPixel(image, x, y) & 0xFFFFFFu);
    XDestroyImage(image);
    return static_cast<int>(found.size());
}

void Window::button(bool pressed, int x, int y) {
    XEvent event{};
    event.xbutton.type = pressed ? ButtonPress : ButtonRelease;
    event.xbutton.display = native_->display;
    event.xbutton.window = native_->child();
    event.xbutton.root = DefaultRootWindow(native_->display);
    event.xbutton.time = static_cast<::Time>(now_ms());
    event.xbutton.x = event.xbutton.x_root = x;
    event.xbutton.y = event.xbutton.y_root = y;
    event.xbutton.button = Button1;
    event.xbutton.state = pressed ? 0 : Button1Mask;
    event.xbutton.same_screen = True;
    if (event.xbutton.window == 0) return;
    XSendEvent(native_->display, event.xbutton.window, False, pressed ? ButtonPressMask : ButtonReleaseMask, &event);
    XFlush(native_->display);
}

void Window::motion(bool pressed, int x, int y) {
    XEvent event{};
    event.xmotion.type = MotionNotify;
    event.xmotion.display = native_->display;
    event.xmotion.window = native_->child();
    event.xmotion.root = DefaultRootWindow(native_->display);
    event.xmotion.time = static_cast<::Time>(now_ms());
    event.xmotion.x = event.xmotion.x_root = x;
    event.xmotion.y = event.xmotion.y_root = y;
    event.xmotion.state = pressed ? Button1Mask : 0;
    event.xmotion.same_screen = True;
    if (event.xmotion.window == 0) return;
    XSendEvent(native_->display, event.xmotion.window, False, PointerMotionMask, &event);
    XFlush(native_->display);
}

void Window::click(int x, int y) {
    drag(x, y, 0, 0);
}

void Window::drag(int x, int y, int dx, int dy) {
    constexpr int kSteps = 3, kStep_ms = 8;
    motion(false, x, y);
    run(kStep_ms);
    button(true, x, y);
    run(kStep_ms);
    for (int step = 1; step <= kSteps && (dx != 0 || dy != 0); ++step) {
        motion(true, x + dx * step / kSteps, y + dy * step / kSteps);
        run(kStep_ms);
    }
    button(false, x + dx, y + dy);
    run(kStep_ms);
}

std::vector<std::string> Window::complaints() {
    const std::lock_guard<std::mutex> lock(complaints_mutex);
    return std::exchange(all_complaints, {});
}

tresult Window::queryInterface(const TUID asked, void** object) {
    *object = nullptr;
    if (same(asked, Steinberg::IPlugFrame_iid) || same(asked, Steinberg::FUnknown_iid))
        *object = static_cast<Steinberg::IPlugFrame*>(this);
    else if (same(asked, Steinberg::Linux::IRunLoop_iid))
        *object = static_cast<Steinberg::Linux::IRunLoop*>(this);
    return *object != nullptr ? kResultOk : Steinberg::kNoInterface;
}

tresult Window::resizeView(IPlugView* view, ViewRect* size) {
    if (view == nullptr || size == nullptr || size->getWidth() <= 0 || size->getHeight() <= 0)
        return Steinberg::kInvalidArgument;
    ++asked_;
    XResizeWindow(native_->display, native_->window, static_cast<unsigned>(size->getWidth()),
                  static_cast<unsigned>(size->getHeight()));
    XSync(native_->display, False);
    return view->onSize(size);
}

tresult Window::registerEventHandler(Steinberg::Linux::IEventHandler* handler, int file) {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    files_.push_back({handler, file});
    return kResultOk;
}

tresult Window::unregisterEventHandler(Steinberg::Linux::IEventHandler* handler) {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    const auto gone = [&](const File& one) { return one.handler == handler; };
    files_.erase(std::remove_if(files_.begin(), files_.end(), gone), files_.end());
    return kResultOk;
}

tresult Window::registerTimer(Steinberg::Linux::ITimerHandler* handler, Steinberg::uint64 every_ms) {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    const auto every = static_cast<std::int64_t>(std::max<Steinberg::uint64>(every_ms, 1));
    timers_.push_back({handler, every, now_ms() + every});
    return kResultOk;
}

tresult Window::unregisterTimer(Steinberg::Linux::ITimerHandler* handler) {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    const auto gone = [&](const Timer& one) { return one.handler == handler; };
    timers_.erase(std::remove_if(timers_.begin(), timers_.end(), gone), timers_.end());
    return kResultOk;
}

}  // namespace host
