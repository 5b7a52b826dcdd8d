// Makes the values of a pickle for the stack machine: containers within a budget, and the results
// of allowed globals.
#pragma once

#include "state/formats/pickle.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace muon::pickle {

/// Throws std::runtime_error without the file's name, as for every error in a pickle.
[[noreturn]] void fail(const std::string& what);

bool is_container(const Value& value);

class Builder {
 public:
  /// `most` is the number of values that a pickle of its length can hold honestly. A few bytes that
  /// copy existing containers repeatedly would make more.
  explicit Builder(std::size_t most) : most_(most) {}

  Value container(Value::Kind kind, std::vector<Value> items);
  /// The items of a list or dict that is still growing.
  std::vector<Value>& items(const Value& value, Value::Kind kind, const char* what);

  /// An allowed global.
  Value global(std::string_view module, std::string_view name);
  /// What a call of the global would return: a tensor's description, a dict, a tuple. Nothing is
  /// called.
  Value call(const Value& function, const Value& arguments);
  /// ("storage", type, key, device, count)
  Value storage(const Value& id);

  /// Checks the document: no value contains itself or is nested too deeply, and shared values do
  /// not expand to too many.
  Document finish(Value root);

 private:
  void count_entries(std::size_t count);
  std::vector<std::int64_t> integers(const Value& value);
  Value tensor(const std::vector<Value>& arguments, bool typed_by_argument);
  Value dict(const std::vector<Value>& given);

  std::size_t most_;
  std::size_t entries_ = 0;  // items of all containers when they were made
  Document document_;
};

}  // namespace muon::pickle
