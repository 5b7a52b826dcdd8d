// A run's file, whole and in pieces.
#pragma once

#include "track/formats/event.hpp"
#include "track/formats/history_part.hpp"
#include "track/formats/tfrecord.hpp"
#include "track/formats/wandb_log.hpp"
#include "track/formats/wandb_record.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>

inline muon::track::Content read_in_pieces(muon::track::Format format, const std::string& file,
                                           std::size_t piece) {
  muon::track::Content content;
  const auto part = muon::track::make_part(format, 0);
  try {
    for (std::size_t at = 0; at < file.size(); at += piece) {
      part->feed(file.substr(at, piece));
      while (part->next(content)) {
      }
    }
  } catch (const std::runtime_error&) {
  }
  return content;
}

inline void read_history(muon::track::Format format, const std::string& file) {
  namespace track = muon::track;
  const track::Content whole = read_in_pieces(format, file, file.size() + 1),
                       pieces = read_in_pieces(format, file, 7);
  std::size_t points = 0;
  for (const auto& [name, series] : whole.series) {
    points += series.steps.size();
    if (series.values.size() != series.steps.size() || pieces.series.at(name).steps != series.steps)
      std::abort();
  }
  if (points > file.size() || whole.others != pieces.others || whole.config != pieces.config)
    std::abort();

  // the same bytes behind a right checksum, so that the messages are reached too
  if (format == track::Format::jsonl) return;
  const bool wandb = format == track::Format::wandb;
  const std::string header(track::wandb_log::file_header);
  read_in_pieces(
      format,
      wandb ? header + track::wandb_log::frame(file, header.size()) : track::tfrecord::frame(file),
      4096);
}
