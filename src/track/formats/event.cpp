#include "event.hpp"

#include "seconds.hpp"
#include "little_endian.hpp"
#include "protobuf.hpp"
#include "value_json.hpp"

#include <fmt/format.h>

#include <bit>
#include <functional>
#include <optional>
#include <stdexcept>

namespace muon::track::event {
namespace {

using Writer = protozero::pbf_writer;
using Reader = protozero::pbf_reader;
constexpr const char* start_tag = "_hparams_/session_start_info";
constexpr const char* end_tag = "_hparams_/session_end_info";
enum DataType { float32 = 1, float64 = 2, text_type = 7 };

std::string message(const std::function<void(Writer&)>& fill) {
  std::string bytes;
  Writer writer(bytes);
  fill(writer);
  return bytes;
}

/// An event with a summary.
std::string summary_event(double time, std::int64_t step, const std::function<void(Writer&)>& add_values) {
  return message([&](Writer& event) {
    event.add_double(1, time);
    event.add_int64(2, step);
    event.add_message(5, message(add_values));
  });
}

void add_value(Writer& summary, const std::string& tag, const std::function<void(Writer&)>& content) {
  summary.add_message(1, message([&](Writer& value) {
                        value.add_string(1, tag);
                        content(value);
                      }));
}

/// SummaryMetadata of a plugin whose values are tensors.
void add_metadata(Writer& value, const char* plugin, const std::string& content) {
  value.add_message(9, message([&](Writer& metadata) {
                      metadata.add_message(1, message([&](Writer& data) {
                                             data.add_string(1, plugin);
                                             if (!content.empty()) data.add_bytes(2, content);
                                           }));
                      metadata.add_enum(4, 2);  // TENSOR
                    }));
}

void add_scalar(Writer& summary, const std::string& tag, double number) {
  add_value(summary, tag, [&](Writer& value) { value.add_float(2, static_cast<float>(number)); });
}

void add_text(Writer& summary, const std::string& tag, const std::string& text) {
  add_value(summary, tag + "/text_summary", [&](Writer& value) {
    add_metadata(value, "text", "");
    value.add_message(8, message([&](Writer& tensor) {
                        tensor.add_enum(1, text_type);
                        const std::string one = message([](Writer& dim) { dim.add_int64(1, 1); });
                        tensor.add_message(2, message([&](Writer& shape) { shape.add_message(2, one); }));
                        tensor.add_bytes(8, text);
                      }));
  });
}

/// Sums are those of the bins' middles: the values themselves are gone.
void add_histogram(Writer& summary, const std::string& tag, const Histogram& histogram) {
  if (histogram.counts.empty()) return;
  double count = 0, sum = 0, squares = 0;
  std::vector<double> counts;
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    const auto n = static_cast<double>(histogram.counts[i]);
    const double middle = 0.5 * (histogram.edges[i] + histogram.edges[i + 1]);
    counts.push_back(n);
    count += n;
    sum += n * middle;
    squares += n * middle * middle;
  }
  add_value(summary, tag, [&](Writer& value) {
    value.add_message(5, message([&](Writer& histo) {
                        histo.add_double(1, histogram.edges.front());
                        histo.add_double(2, histogram.edges.back());
                        histo.add_double(3, count);
                        histo.add_double(4, sum);
                        histo.add_double(5, squares);
                        histo.add_packed_double(6, histogram.edges.begin() + 1, histogram.edges.end());
                        histo.add_packed_double(7, counts.begin(), counts.end());
                      }));
  });
}

std::optional<double> number_of(const Value& value) {
  if (const auto* const truth = std::get_if<bool>(&value.get())) return *truth ? 1 : 0;
  if (const auto* const integer = std::get_if<std::int64_t>(&value.get())) return static_cast<double>(*integer);
  if (const auto* const real = std::get_if<double>(&value.get())) return *real;
  return std::nullopt;
}

void add_leaf(Writer& summary, const std::string& tag, const Value& value) {
  const auto number = number_of(value);
  if (number) {
    add_scalar(summary, tag, *number);
  } else if (const auto* const histogram = std::get_if<Histogram>(&value.get())) {
    add_histogram(summary, tag, *histogram);
  } else {
    const auto* const text = std::get_if<std::string>(&value.get());
    add_text(summary, tag, text != nullptr ? *text : json_text(value, NonFinite::bare));
  }
}

/// google.protobuf.Value; empty for what is no hyperparameter.
std::string hyperparameter(const Value& value) {
  return message([&](Writer& out) {
    if (const auto* const truth = std::get_if<bool>(&value.get())) {
      out.add_bool(4, *truth);
    } else if (const auto* const text = std::get_if<std::string>(&value.get())) {
      out.add_string(3, *text);
    } else if (const auto number = number_of(value)) {
      out.add_double(2, *number);
    }
  });
}

/// The tensor that hparams' values must have, of no entries.
void add_hparams(Writer& summary, const char* tag, const std::function<void(Writer&)>& content) {
  add_value(summary, tag, [&](Writer& value) {
    add_metadata(value, "hparams", message(content));
    value.add_message(8, message([](Writer& tensor) {
                        tensor.add_enum(1, float32);
                        const std::string none = message([](Writer& dim) { dim.add_int64(1, 0); });
                        tensor.add_message(2, message([&](Writer& shape) { shape.add_message(2, none); }));
                      }));
  });
}

// ---- reading ----

std::string json_of(Reader value) {
  std::string json = "null";
  while (value.next()) {
    switch (value.tag()) {
      case 2: json = json_text(value.get_double(), NonFinite::bare); break;
      case 3: json = json_text(valid(Value(value.get_string())), NonFinite::bare); break;
      case 4: json = value.get_bool() ? "true" : "false"; break;
      default: value.skip();
    }
  }
  return json;
}

void parse_start(Reader info, Parsed& parsed) {
  while (info.next()) {
    if (info.tag() == 4) {
      parsed.name = info.get_string();
    } else if (info.tag() == 1) {
      Reader entry = info.get_message();
      std::pair<std::string, std::string> hparam;
      while (entry.next()) {
        if (entry.tag() == 1) {
          hparam.first = entry.get_string();
        } else if (entry.tag() == 2) {
          hparam.second = json_of(entry.get_message());
        } else {
          entry.skip();
        }
      }
      parsed.hparams.push_back(std::move(hparam));
    } else {
      info.skip();
    }
  }
}

void parse_hparams(Reader data, Parsed& parsed) {
  while (data.next()) {
    if (data.tag() == 3) {
      parse_start(data.get_message(), parsed);
    } else if (data.tag() == 4) {
      Reader end = data.get_message();
      while (end.next(1)) parsed.session_status = end.get_enum();
    } else {
      data.skip();
    }
  }
}

void parse_metadata(Reader metadata, Parsed& parsed) {
  while (metadata.next(1)) {
    Reader plugin = metadata.get_message();
    std::string name, content;
    while (plugin.next()) {
      if (plugin.tag() == 1) {
        name = plugin.get_string();
      } else if (plugin.tag() == 2) {
        content = plugin.get_bytes();
      } else {
        plugin.skip();
      }
    }
    if (name == "hparams") parse_hparams(Reader(content), parsed);
  }
}

/// A scalar of the newer kind: a tensor of one float or double.
std::optional<double> tensor_scalar(Reader tensor) {
  std::vector<double> values;
  int type = 0;
  std::string content;
  while (tensor.next()) {
    if (tensor.tag() == 1 && tensor.wire_type() == protozero::pbf_wire_type::varint) {
      type = tensor.get_enum();
    } else if (tensor.tag() == 4 && tensor.wire_type() == protozero::pbf_wire_type::length_delimited) {
      content = tensor.get_bytes();
    } else if (tensor.tag() == 5 && tensor.wire_type() == protozero::pbf_wire_type::length_delimited) {
      for (const float value : tensor.get_packed_float()) values.push_back(static_cast<double>(value));
    } else if (tensor.tag() == 6 && tensor.wire_type() == protozero::pbf_wire_type::length_delimited) {
      for (const double value : tensor.get_packed_double()) values.push_back(value);
    } else {
      tensor.skip();
    }
  }
  if (type == float32 && content.size() == sizeof(float))
    values = {static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(little_endian<4>(content))))};
  if (type == float64 && content.size() == sizeof(double)) values = {std::bit_cast<double>(little_endian<8>(content))};
  return values.size() == 1 ? std::optional(values.front()) : std::nullopt;
}

void parse_value(Reader value, Parsed& parsed) {
  std::string tag;
  std::optional<double> number;
  while (value.next()) {
    switch (value.tag()) {
      case 1: tag = value.get_string(); break;
      case 2: number = static_cast<double>(value.get_float()); break;
      case 8: number = tensor_scalar(value.get_message()); break;
      case 9: parse_metadata(value.get_message(), parsed); break;
      default: value.skip();
    }
  }
  if (number) {
    parsed.scalars.emplace_back(std::move(tag), *number);
  } else if (!tag.starts_with("_hparams_/")) {
    if (tag.ends_with("/text_summary")) tag.resize(tag.size() - std::string_view("/text_summary").size());
    parsed.others.push_back(std::move(tag));
  }
}

}  // namespace

std::string version(double time) {
  return message([&](Writer& event) {
    event.add_double(1, time);
    event.add_string(3, "brain.Event:2");
  });
}

std::string row(const Row& row) {
  return summary_event(seconds_since_1970(row.time), row.step, [&](Writer& summary) {
    for_each_leaf(row.values, [&](const Path& path, const Value& value) { add_leaf(summary, joined(path), value); });
  });
}

std::string session_start(double time, const RunInfo& info, const Object& config) {
  return summary_event(time, 0, [&](Writer& summary) {
    add_hparams(summary, start_tag, [&](Writer& data) {
      data.add_message(3, message([&](Writer& start) {
                         for_each_leaf(config, [&](const Path& path, const Value& value) {
                           const std::string content = hyperparameter(value);
                           if (content.empty()) return;
                           start.add_message(1, message([&](Writer& entry) {
                                               entry.add_string(1, joined(path));
                                               entry.add_message(2, content);
                                             }));
                         });
                         start.add_string(
                             4, info.name.empty() ? info.id : info.name + " " + info.id);  // runs of one name are not one
                         start.add_double(5, time);
                       }));
    });
  });
}

std::string session_end(double time, bool success) {
  return summary_event(time, 0, [&](Writer& summary) {
    add_hparams(summary, end_tag, [&](Writer& data) {
      data.add_message(4, message([&](Writer& end) {
                         end.add_enum(1, success ? 1 : 2);
                         end.add_double(2, time);
                       }));
    });
  });
}

Parsed parse(const std::string& event) {
  Parsed parsed;
  try {
    Reader reader(event);
    while (reader.next()) {
      switch (reader.tag()) {
        case 1: parsed.time = reader.get_double(); break;
        case 2: parsed.step = reader.get_int64(); break;
        case 5: {
          Reader summary = reader.get_message();
          while (summary.next(1)) parse_value(summary.get_message(), parsed);
          break;
        }
        default: reader.skip();
      }
    }
  } catch (const protozero::exception& error) {
    throw std::runtime_error(fmt::format("holds a record that is no message ({})", error.what()));
  }
  return parsed;
}

}  // namespace muon::track::event
