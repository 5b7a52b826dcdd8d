// The values of a pickle as the stack machine makes them: containers within a budget, and what the
// allowed globals give.
#pragma once

#include "state/formats/pickle.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace muon::pickle {

/// All errors of a pickle: std::runtime_error without the file's name.
[[noreturn]] void fail(const std::string& what);

bool is_container(const Value& value);

class Builder {
 public:
  /// `most` is the number of values that a pickle of its length can hold without tricks. A few
  /// bytes that copy what is there again and again would make more.
  explicit Builder(std::size_t most) : most_(most) {}

  Value container(Value::Kind kind, std::vector<Value> items);
  /// The items of a list or dict that is still growing.
  std::vector<Value>& items(const Value& value, Value::Kind kind, const char* what);

  /// A global that is on the list.
  Value global(std::string_view module, std::string_view name);
  /// What the call of a global would give: a tensor's description, a dict, a tuple. Nothing is
  /// called.
  Value call(const Value& function, const Value& arguments);
  /// ("storage", type, key, where it was, count)
  Value storage(const Value& id);

  /// Checks the whole: no value contains itself, none is nested too deeply, and shared ones,
  /// written out, do not explode.
  Document finish(Value root);

 private:
  void count_entries(std::size_t count);
  std::vector<std::int64_t> integers(const Value& value);
  Value tensor(const std::vector<Value>& arguments, bool typed_by_argument);
  Value dict(const std::vector<Value>& given);

  std::size_t most_;
  std::size_t entries_ = 0;  // how many items all containers had when they were made
  Document document_;
};

}  // namespace muon::pickle
