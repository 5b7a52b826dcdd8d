// Reading events.
#include "track/formats/event.hpp"

#include "track/formats/little_endian.hpp"
#include "track/formats/protobuf.hpp"
#include "track/formats/utf8.hpp"
#include "track/formats/value_json.hpp"

#include <fmt/format.h>

#include <bit>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muon::track::event {
namespace {

using Reader = protozero::pbf_reader;

std::string json_of(Reader value) {
  std::string json = "null";
  while (value.next()) {
    switch (value.tag()) {
      case 2: json = json_text(value.get_double(), NonFinite::bare); break;
      case 3: json = json_text(Value(valid_utf8(value.get_string())), NonFinite::bare); break;
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

/// A scalar of the newer format: a tensor with one float or double.
std::optional<double> tensor_scalar(Reader tensor) {
  std::vector<double> values;
  int type = 0;
  std::string content;
  while (tensor.next()) {
    if (tensor.tag() == 1 && tensor.wire_type() == protozero::pbf_wire_type::varint) {
      type = tensor.get_enum();
    } else if (tensor.tag() == 4 &&
               tensor.wire_type() == protozero::pbf_wire_type::length_delimited) {
      content = tensor.get_bytes();
    } else if (tensor.tag() == 5 &&
               tensor.wire_type() == protozero::pbf_wire_type::length_delimited) {
      for (const float value : tensor.get_packed_float())
        values.push_back(static_cast<double>(value));
    } else if (tensor.tag() == 6 &&
               tensor.wire_type() == protozero::pbf_wire_type::length_delimited) {
      for (const double value : tensor.get_packed_double()) values.push_back(value);
    } else {
      tensor.skip();
    }
  }
  if (type == tensor_float && content.size() == sizeof(float))
    values = {static_cast<double>(
        std::bit_cast<float>(static_cast<std::uint32_t>(little_endian<4>(content))))};
  if (type == tensor_double && content.size() == sizeof(double))
    values = {std::bit_cast<double>(little_endian<8>(content))};
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
    if (tag.ends_with("/text_summary"))
      tag.resize(tag.size() - std::string_view("/text_summary").size());
    parsed.others.push_back(std::move(tag));
  }
}

}  // namespace

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
    throw std::runtime_error(
        fmt::format("holds a record that is not a message ({})", error.what()));
  }
  return parsed;
}

}  // namespace muon::track::event
