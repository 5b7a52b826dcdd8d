// Protobuf messages by field number. protozero's assertions throw exceptions instead, since files
// may contain anything.
#pragma once

#include <stdexcept>

namespace muon::track {

inline void check_message(bool condition) {
  if (!condition) throw std::runtime_error("holds a message whose fields have other types");
}

}  // namespace muon::track

#define protozero_assert(condition) ::muon::track::check_message(condition)
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
