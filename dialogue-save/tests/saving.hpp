// A conversation to save, and what must not be left where it was not saved.
#pragma once

#include "program.hpp"
#include "stores.hpp"

#include <system_error>

class Save : public InFolder {
 protected:
  Save() { write_file("s.jsonl", claude_jsonl({ask("q"), reply("a")})); }
  /// No saved conversation and no temporary file.
  static void expect_nothing_left(const std::filesystem::path& place) {
    std::error_code error;
    EXPECT_TRUE(!std::filesystem::exists(place, error) || std::filesystem::is_empty(place))
        << place;
  }
};
