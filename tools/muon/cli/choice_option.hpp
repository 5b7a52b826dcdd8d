// Options of the command line whose value is one of a list of words (choices.hpp), for CLI11.
#pragma once

#include "cli/choices.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace cli {

/// One of the words, which parsing puts into `value`; help shows the words and what `value` is now.
template <class T>
CLI::Option* add_choice(CLI::App& command, const std::string& name, T& value,
                        const std::string& help) {
  return command
      .add_option_function<std::string>(
          name, [&value](const std::string& word) { value = from_word<T>(word).value(); }, help)
      ->check(CLI::IsMember(all_words<T>()))
      ->default_str(word_of(value));
}

/// The same, unset without the option.
template <class T>
CLI::Option* add_choice(CLI::App& command, const std::string& name, std::optional<T>& value,
                        const std::string& help) {
  return command
      .add_option_function<std::string>(
          name, [&value](const std::string& word) { value = from_word<T>(word); }, help)
      ->check(CLI::IsMember(all_words<T>()));
}

/// Several, with commas or as several options; the second of two equal ones is left out.
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
