// CLI11 options whose value is one of a list of words (choices.hpp).
#pragma once

#include "cli/choices.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace cli {

/// Adds an option that takes one of the words and stores it in `value`. The help shows the words,
/// and the present `value` as the default.
template <class T>
CLI::Option* add_choice(CLI::App& command, const std::string& name, T& value,
                        const std::string& help) {
  return command
      .add_option_function<std::string>(
          name, [&value](const std::string& word) { value = from_word<T>(word).value(); }, help)
      ->check(CLI::IsMember(all_words<T>()))
      ->default_str(word_of(value));
}

/// The same; `value` stays unset if the option is not given.
template <class T>
CLI::Option* add_choice(CLI::App& command, const std::string& name, std::optional<T>& value,
                        const std::string& help) {
  return command
      .add_option_function<std::string>(
          name, [&value](const std::string& word) { value = from_word<T>(word); }, help)
      ->check(CLI::IsMember(all_words<T>()));
}

/// Adds an option that takes several words, separated by commas or repeated. Duplicates are
/// dropped.
template <class T>
CLI::Option* add_choice(CLI::App& command, const std::string& name, std::vector<T>& values,
                        const std::string& help) {
  const auto take = [&values](const std::vector<std::string>& given) {
    values.clear();
    for (const std::string& word : given) {
      const T value = from_word<T>(word).value();
      if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
    }
  };
  return command.add_option_function<std::vector<std::string>>(name, take, help)
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember(all_words<T>()));
}

}  // namespace cli
