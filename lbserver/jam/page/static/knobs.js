// SPDX-License-Identifier: GPL-3.0-or-later
// Widgets for the kinds of controls, as the plug-in's window has them: a knob, a row of choices, a switch, a press.

const SWEEP = 0.8 * Math.PI;          // from the top, to either side
const DRAG_PX = 180;                  // for the whole range
const SVG = "http://www.w3.org/2000/svg";

export const title = (name) => (name[0].toUpperCase() + name.slice(1)).replaceAll("_", " ");

export function element(kind, attributes = {}, ...inside) {
  const made = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...inside);
  return made;
}

function drawn(kind, attributes) {
  const made = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

const point = (angle, radius) => `${(50 + radius * Math.sin(angle)).toFixed(2)} ${(50 - radius * Math.cos(angle)).toFixed(2)}`;

function arc(from, to, radius = 43) {
  const [low, high] = from < to ? [from, to] : [to, from];
  return high - low < 0.01 ? "" : `M${point(low, radius)}A${radius} ${radius} 0 ${high - low > Math.PI ? 1 : 0} 1 ${point(high, radius)}`;
}

export function spoken(control, value) {
  const places = control.maximum - control.minimum > 10 ? 1 : 2;
  return `${value.toFixed(places)} ${control.unit}`.trim();
}

// A knob of a control; `changed(value)` is called when somebody turns it.
export function knob(control, changed) {
  const svg = drawn("svg", { viewBox: "0 0 100 100", tabindex: 0, role: "slider", "aria-label": title(control.name) });
  const ring = drawn("path", { class: "ring", d: arc(-SWEEP, SWEEP) }), lit = drawn("path", { class: "arc" });
  const tip = drawn("path", { class: "tip" });
  const shade = drawn("linearGradient", { id: "cap", x2: 0, y2: 1 });
  shade.append(drawn("stop", { offset: 0, "stop-color": "#3f4550" }), drawn("stop", { offset: 1, "stop-color": "#1c2029" }));
  svg.append(shade, ring, drawn("circle", { class: "cap", cx: 50, cy: 50, r: 34 }), lit, tip);
  const words = element("span", { class: "value" });
  const made = element("div", { class: "knob", title: control.meaning }, element("span", {}, title(control.name)), svg, words);
  const span = control.maximum - control.minimum;
  const still = control.unit === "dB" ? 0 : control.minimum;   // where the arc begins: what changes nothing
  const angle = (value) => -SWEEP + (2 * SWEEP * (value - control.minimum)) / span;
  let now = control.default, dragged = null;
  const show = (value) => {
    now = value;
    lit.setAttribute("d", arc(angle(still), angle(value)));
    tip.setAttribute("d", `M${point(angle(value), 24)}L${point(angle(value), 31)}`);
    words.textContent = spoken(control, value);
    svg.setAttribute("aria-valuenow", value);
    svg.setAttribute("aria-valuetext", words.textContent);
  };
  const turn = (value) => {
    const limited = Math.min(control.maximum, Math.max(control.minimum, value));
    if (limited === now || made.classList.contains("idle")) return;
    show(limited);
    changed(limited);
  };
  svg.setAttribute("aria-valuemin", control.minimum);
  svg.setAttribute("aria-valuemax", control.maximum);
  svg.addEventListener("pointerdown", (event) => {
    dragged = [event.clientY, now];
    svg.setPointerCapture(event.pointerId);
    svg.focus();
    event.preventDefault();
  });
  svg.addEventListener("pointermove", (event) => dragged && turn(dragged[1] + ((dragged[0] - event.clientY) / DRAG_PX) * span));
  svg.addEventListener("pointerup", () => { dragged = null; });
  svg.addEventListener("dblclick", () => turn(control.default));
  svg.addEventListener("wheel", (event) => { event.preventDefault(); turn(now - Math.sign(event.deltaY) * span / 50); }, { passive: false });
  svg.addEventListener("keydown", (event) => {
    const steps = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 };
    if (event.key in steps) turn(now + (steps[event.key] * span) / 100);
    else if (event.key === "Home") turn(control.minimum);
    else if (event.key === "End") turn(control.maximum);
    else return;
    event.preventDefault();
  });
  show(now);
  return { element: made, show, enable: (on) => { made.classList.toggle("idle", !on); svg.setAttribute("aria-disabled", !on); } };
}

// A row of buttons of which one is lit; `changed(word)`.
export function choices(control, changed) {
  const buttons = control.choices.map((word) => {
    const button = element("button", { "aria-pressed": false, title: control.meaning }, title(word));
    button.addEventListener("click", () => { show(word); changed(word); });
    return button;
  });
  const show = (word) => buttons.forEach((button, i) => button.setAttribute("aria-pressed", control.choices[i] === word));
  const only = (words) => buttons.forEach((button, i) => { button.disabled = !words.includes(control.choices[i]); });
  return { element: element("div", { class: "choices", role: "group", "aria-label": title(control.name) }, ...buttons), show, only, enable: (on) => only(on ? control.choices : []) };
}

// On or off; `changed(0 or 1)`.
export function toggle(control, changed) {
  const button = element("button", { "aria-pressed": false, title: control.meaning }, title(control.name));
  const show = (value) => button.setAttribute("aria-pressed", value >= 0.5);
  button.addEventListener("click", () => {
    const value = button.getAttribute("aria-pressed") === "true" ? 0 : 1;
    show(value);
    changed(value);
  });
  return { element: button, show, enable: (on) => { button.disabled = !on; } };
}

export function press(name, meaning, pressed) {
  const button = element("button", { title: meaning }, title(name));
  button.addEventListener("click", pressed);
  return { element: button, show() {}, enable: (on) => { button.disabled = !on; } };
}

// A number to be typed; `changed(value)`, NaN where it is emptied.
export function typed(control, changed, hint = "") {
  const field = element("input", { class: "short", inputmode: "decimal", title: control.meaning, placeholder: hint, "aria-label": title(control.name), autocomplete: "off" });
  field.addEventListener("change", () => {
    const value = field.value.trim() === "" ? NaN : Number(field.value);
    const fine = Number.isNaN(value) ? field.value.trim() === "" : value >= control.minimum && value <= control.maximum;
    field.setAttribute("aria-invalid", !fine);
    if (fine) changed(value);
  });
  return { element: field, show: (value) => { if (document.activeElement !== field) field.value = Number.isNaN(value) ? "" : value; }, enable: (on) => { field.disabled = !on; } };
}
