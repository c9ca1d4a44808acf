// SPDX-License-Identifier: GPL-3.0-or-later
#include "Turtle.h"

#include <iostream>

#include "Instance.h"

namespace liveband::plugin::lv2 {
namespace {

using juce::String;
using Kind = Trait::Kind;

constexpr char kPrefixes[] =
    "@prefix atom: <http://lv2plug.in/ns/ext/atom#> .\n"
    "@prefix bufsz: <http://lv2plug.in/ns/ext/buf-size#> .\n"
    "@prefix doap: <http://usefulinc.com/ns/doap#> .\n"
    "@prefix foaf: <http://xmlns.com/foaf/0.1/> .\n"
    "@prefix lv2: <http://lv2plug.in/ns/lv2core#> .\n"
    "@prefix opts: <http://lv2plug.in/ns/ext/options#> .\n"
    "@prefix pprops: <http://lv2plug.in/ns/ext/port-props#> .\n"
    "@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .\n"
    "@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n"
    "@prefix state: <http://lv2plug.in/ns/ext/state#> .\n"
    "@prefix time: <http://lv2plug.in/ns/ext/time#> .\n"
    "@prefix ui: <http://lv2plug.in/ns/extensions/ui#> .\n"
    "@prefix units: <http://lv2plug.in/ns/extensions/units#> .\n"
    "@prefix urid: <http://lv2plug.in/ns/ext/urid#> .\n\n";

String quoted(const String& text) {
    return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
}

/// A number as Turtle writes a decimal: with its point, so that it is one for every reader.
String decimal(float value) {
    const String text(value, 6);
    return text.trimCharactersAtEnd("0").endsWithChar('.') ? text.trimCharactersAtEnd("0") + "0"
                                                           : text.trimCharactersAtEnd("0");
}

/// One port: its number, its classes, symbol and name, and what more is said of it.
String port(std::uint32_t number, const String& classes, const String& symbol, const String& name,
            const String& more = {}) {
    return "[\n\t\ta " + classes + " ;\n\t\tlv2:index " + String(number) + " ;\n\t\tlv2:symbol " + quoted(symbol) +
           " ;\n\t\tlv2:name " + quoted(name) + (more.isEmpty() ? String() : " ;\n\t\t" + more) + "\n\t]";
}

String range(float initial, float minimum, float maximum) {
    return "lv2:default " + decimal(initial) + " ;\n\t\tlv2:minimum " + decimal(minimum) + " ;\n\t\tlv2:maximum " +
           decimal(maximum);
}

String unitOf(const String& unit) {
    if (unit == "dB") return "units:db";
    if (unit == "BPM") return "units:bpm";
    return unit == "ms" || unit == "s" ? "units:" + unit : String();
}

String about(const Parameter& parameter) {
    const auto& trait = parameter.trait();
    auto text = range(trait.initial, trait.minimum, trait.maximum);
    juce::StringArray properties;
    if (parameter.isBoolean()) properties.add("lv2:toggled");
    if (parameter.isTrigger()) properties.add("pprops:trigger");
    if (trait.kind == Kind::kWhole || trait.kind == Kind::kChoice) properties.add("lv2:integer");
    if (trait.kind == Kind::kChoice) properties.add("lv2:enumeration");
    if (!trait.automatable) properties.add("pprops:notAutomatic");
    if (!properties.isEmpty()) text << " ;\n\t\tlv2:portProperty " << properties.joinIntoString(" , ");
    if (const auto unit = unitOf(trait.unit); unit.isNotEmpty()) text << " ;\n\t\tunits:unit " << unit;
    juce::StringArray points;
    for (int choice = 0; choice < trait.choices.size(); ++choice)
        points.add("[ rdfs:label " + quoted(trait.choices[choice]) + " ; rdf:value " +
                   decimal(static_cast<float>(choice)) + " ]");
    if (!points.isEmpty()) text << " ;\n\t\tlv2:scalePoint " << points.joinIntoString(" , ");
    return text;
}

String allPorts(const Processor& processor) {
    juce::StringArray ports;
    const String in = "lv2:InputPort , lv2:", out = "lv2:OutputPort , lv2:";
    const juce::StringArray sides{"Left", "Right"};
    for (int channel = 0; channel < kChannels; ++channel)
        ports.add(port(kAudioIn + static_cast<std::uint32_t>(channel), in + "AudioPort",
                       "audio_in_" + String(channel + 1), sides[channel] + " in"));
    for (int channel = 0; channel < kChannels; ++channel)
        ports.add(port(kAudioOut + static_cast<std::uint32_t>(channel), out + "AudioPort",
                       "audio_out_" + String(channel + 1), sides[channel] + " out"));
    ports.add(port(kEvents, "lv2:InputPort , atom:AtomPort", "in", "Transport",
                   "atom:bufferType atom:Sequence ;\n\t\tatom:supports time:Position ;\n\t\t"
                   "lv2:designation lv2:control ;\n\t\tlv2:portProperty lv2:connectionOptional"));
    ports.add(port(kLatency, out + "ControlPort", "latency", "Latency",
                   range(0.0f, 0.0f, 1000000.0f) +
                       " ;\n\t\tlv2:designation lv2:latency ;\n\t\tlv2:portProperty lv2:reportsLatency , lv2:integer , "
                       "lv2:connectionOptional , pprops:notOnGUI ;\n\t\tunits:unit units:frame"));
    ports.add(port(kFreeWheeling, in + "ControlPort", "freeWheeling", "Faster than real time",
                   range(0.0f, 0.0f, 1.0f) +
                       " ;\n\t\tlv2:designation lv2:freeWheeling ;\n\t\tlv2:portProperty lv2:toggled , "
                       "lv2:connectionOptional , pprops:notOnGUI"));
    ports.add(port(kEnabled, in + "ControlPort", "enabled", "Enabled",
                   range(1.0f, 0.0f, 1.0f) + " ;\n\t\tlv2:designation lv2:enabled ;\n\t\tlv2:portProperty lv2:toggled , "
                                             "lv2:connectionOptional , pprops:notOnGUI"));
    auto number = static_cast<std::uint32_t>(kParameters);
    for (const auto* parameter : Instance::portParameters(processor))
        ports.add(port(number++, in + "ControlPort", parameter->getParameterID(), parameter->getName(100),
                       about(*parameter)));
    return ports.joinIntoString(" , ");
}

String manifest(const String& library) {
    return String(kPrefixes) + "<" + kUri + ">\n\ta lv2:Plugin ;\n\tlv2:binary <" + library +
           "> ;\n\trdfs:seeAlso <dsp.ttl> .\n\n<" + kWindowUri + ">\n\ta ui:X11UI ;\n\tlv2:binary <" + library +
           "> ;\n\trdfs:seeAlso <ui.ttl> .\n";
}

String description(const Processor& processor) {
    const auto version = juce::StringArray::fromTokens(JucePlugin_VersionString, ".", "");
    return String(kPrefixes) + "<" + kUri +
           ">\n\ta lv2:GeneratorPlugin , lv2:Plugin , doap:Project ;\n\tdoap:name " + quoted(JucePlugin_Name) +
           " ;\n\tdoap:shortdesc " + quoted(JucePlugin_Desc) +
           " ;\n\tdoap:license <https://spdx.org/licenses/GPL-3.0-or-later> ;\n\tdoap:maintainer [\n\t\t"
           "a foaf:Person ;\n\t\tfoaf:name " +
           quoted(JucePlugin_Manufacturer) + "\n\t] ;\n\tlv2:minorVersion " + version[1] + " ;\n\tlv2:microVersion " +
           version[2] +
           " ;\n\tlv2:optionalFeature lv2:hardRTCapable , urid:map , opts:options , bufsz:boundedBlockLength ;\n\t"
           "opts:supportedOption bufsz:nominalBlockLength , bufsz:maxBlockLength ;\n\t"
           "lv2:extensionData state:interface ;\n\tui:ui <" +
           kWindowUri + "> ;\n\tlv2:port " + allPorts(processor) + " .\n";
}

String window() {
    return String(kPrefixes) + "<" + kWindowUri +
           ">\n\tlv2:requiredFeature ui:idleInterface , ui:parent , "
           "<http://lv2plug.in/ns/ext/instance-access> ;\n\tlv2:optionalFeature ui:resize , opts:options , urid:map ;\n\t"
           "lv2:extensionData ui:idleInterface , ui:resize ;\n\topts:supportedOption ui:scaleFactor .\n";
}

int write(const char* library_path) {
    const juce::ScopedJuceInitialiser_GUI gui;
    const auto processor = Instance::makeProcessor();
    const auto library =
        juce::File::getCurrentWorkingDirectory().getChildFile(String(juce::CharPointer_UTF8(library_path)));
    const std::pair<const char*, String> files[] = {
        {"manifest.ttl", manifest(library.getFileName())}, {"dsp.ttl", description(*processor)}, {"ui.ttl", window()}};
    for (const auto& [name, text] : files)
        if (const auto file = library.getSiblingFile(name); !file.replaceWithText(text, false, false, "\n")) {
            std::cerr << file.getFullPathName() << " cannot be written\n";
            return 1;
        }
    return 0;
}

}  // namespace

const void* turtleExtension(const char* uri) {
    static const struct {
        int (*write)(const char*);
    } writer{write};
    return std::strcmp(uri, "https://lv2-extensions.juce.com/turtle_recall") == 0 ? &writer : nullptr;
}

}  // namespace liveband::plugin::lv2
