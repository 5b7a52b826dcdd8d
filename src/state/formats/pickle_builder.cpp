#include "state/formats/pickle_builder.hpp"

#include "files/sizes.hpp"
#include "state/formats/pickle_shape.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <utility>

namespace muon::pickle {
namespace {

using Kind = Value::Kind;

/// Globals whose call returns a container of its arguments, or nothing that matters.
constexpr std::array<std::string_view, 16> known_globals{
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_tensor_v3",
    "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_parameter_with_state",
    "torch._tensor _rebuild_from_type_v2",
    "torch._tensor Tensor",
    "torch Tensor",
    "torch.nn.parameter Parameter",
    "collections OrderedDict",
    "collections defaultdict",
    "collections Counter",
    "builtins dict",
    "builtins set",
    "__builtin__ set",
    "torch Size",
    "torch device"};

bool is_storage(std::string_view global) {
  constexpr auto types = std::to_array<std::string_view>(
      {"FloatStorage", "DoubleStorage", "HalfStorage", "BFloat16Storage", "LongStorage",
       "IntStorage", "ShortStorage", "CharStorage", "ByteStorage", "BoolStorage",
       "ComplexFloatStorage", "ComplexDoubleStorage", "UntypedStorage"});
  const bool typed = global.starts_with("torch ") &&
                     std::find(types.begin(), types.end(), global.substr(6)) != types.end();
  return typed || global == "torch.storage UntypedStorage" ||
         global == "torch.storage TypedStorage";
}

/// "torch float32": a dtype.
bool is_dtype(std::string_view global) {
  constexpr std::array<std::string_view, 22> types{
      "float16",        "float32",     "float64",
      "bfloat16",       "half",        "float",
      "double",         "int8",        "int16",
      "int32",          "int64",       "uint8",
      "uint16",         "uint32",      "uint64",
      "bool",           "complex64",   "complex128",
      "float8_e4m3fn",  "float8_e5m2", "float8_e4m3fnuz",
      "float8_e5m2fnuz"};
  return global.starts_with("torch ") &&
         std::find(types.begin(), types.end(), global.substr(6)) != types.end();
}

}  // namespace

void fail(const std::string& what) { throw std::runtime_error(what); }

bool is_container(const Value& v) {
  return v.kind == Kind::list || v.kind == Kind::tuple || v.kind == Kind::dict;
}

void Builder::count_entries(std::size_t count) {
  entries_ += count;
  if (entries_ > most_) fail("the pickle repeats its values too often");
}

Value Builder::container(Kind kind, std::vector<Value> items) {
  count_entries(items.size());
  document_.containers.push_back(std::move(items));
  return Value{kind, 0, 0, {}, document_.containers.size() - 1};
}

std::vector<Value>& Builder::items(const Value& value, Kind kind, const char* what) {
  if (value.kind != kind) fail(fmt::format("the pickle appends to a value that is not a {}", what));
  return document_.containers[value.index];
}

Value Builder::global(std::string_view module, std::string_view name) {
  const std::string text = fmt::format("{} {}", module, name);
  const bool known =
      std::find(known_globals.begin(), known_globals.end(), text) != known_globals.end();
  if (!known && !is_storage(text) && !is_dtype(text)) {
    fail(
        fmt::format("the pickle names {}.{}, which is not among what a state_dict needs (the list "
                    "of weights_only=True). Nothing was executed; save a plain state_dict instead",
                    module, name));
  }
  return Value{Kind::global, 0, 0, *document_.globals.insert(text).first, 0};
}

std::vector<std::int64_t> Builder::integers(const Value& value) {
  if (value.kind != Kind::tuple && value.kind != Kind::list)
    fail("a tensor's size or stride is no tuple");
  if (document_.items(value).size() > 64) fail("a tensor has more than 64 dimensions");
  count_entries(document_.items(value).size());
  std::vector<std::int64_t> numbers;
  for (const Value& item : document_.items(value)) {
    if (item.kind != Kind::integer || item.integer < 0)
      fail("a tensor's size or stride is no whole number");
    numbers.push_back(item.integer);
  }
  return numbers;
}

Value Builder::tensor(const std::vector<Value>& arguments, bool typed_by_argument) {
  const bool proper = arguments.size() >= (typed_by_argument ? 7u : 4u) &&
                      arguments[0].kind == Kind::storage && arguments[1].kind == Kind::integer &&
                      arguments[1].integer >= 0;
  if (!proper) fail("a tensor is described in an unknown way");
  Tensor made;
  made.storage = document_.storages[arguments[0].index];
  made.offset = arguments[1].integer;
  made.shape = integers(arguments[2]);
  made.stride = integers(arguments[3]);
  if (made.shape.size() != made.stride.size()) fail("a tensor has not as many strides as sizes");
  constexpr std::int64_t widest = 16;  // bytes of a value: every tensor's bytes can be counted
  const auto extent = extent_of_sizes(made.shape);
  if (!extent || *extent > std::numeric_limits<std::int64_t>::max() / widest) {
    fail(fmt::format("a tensor's shape [{}] has more values than 64 bits can count",
                     fmt::join(made.shape, ", ")));
  }
  if (typed_by_argument) {
    if (arguments[6].kind != Kind::global || !is_dtype(arguments[6].text))
      fail("a tensor's type is no dtype");
    made.dtype = arguments[6].text.substr(6);
  }
  document_.tensors.push_back(std::move(made));
  return Value{Kind::tensor, 0, 0, {}, document_.tensors.size() - 1};
}

Value Builder::call(const Value& function, const Value& arguments) {
  if (function.kind != Kind::global || arguments.kind != Kind::tuple)
    fail("the pickle calls what is no function");
  if (document_.items(arguments).size() > 16) fail("the pickle calls with too many values");
  // a copy, since new containers may move the old ones
  const std::vector<Value> given = document_.items(arguments);
  const std::string_view name = function.text;
  const auto first = [&]() -> const Value& {
    if (given.empty()) fail(fmt::format("{} without arguments", name));
    return given.front();
  };
  if (name.ends_with(" _rebuild_tensor_v2")) return tensor(given, false);
  if (name.ends_with(" _rebuild_tensor_v3")) return tensor(given, true);
  if (name.ends_with(" _rebuild_from_type_v2")) {
    if (given.size() < 3 || given[0].text.ends_with(" _rebuild_from_type_v2"))
      fail("a tensor is described in an unknown way");
    return call(given[0], given[2]);
  }
  if (name.starts_with("torch._utils _rebuild_parameter")) {
    if (first().kind != Kind::tensor) fail("a parameter without a tensor");
    return first();
  }
  if (name == "torch Size" || name.ends_with(" set")) {
    if (given.empty()) return container(Kind::tuple, {});
    return first();
  }
  if (name == "torch device") return given.empty() ? Value{} : first();
  if (name == "collections OrderedDict" || name == "collections Counter" || name == "builtins dict")
    return dict(given);
  if (name == "collections defaultdict") return container(Kind::dict, {});
  fail(fmt::format("the pickle calls {}, which is not among what a state_dict needs", name));
}

/// dict(), dict(another dict) or dict(list of pairs).
Value Builder::dict(const std::vector<Value>& given) {
  std::vector<Value> entries;
  if (!given.empty() && is_container(given[0]) &&
      entries_ + 2 * document_.items(given[0]).size() > most_)
    fail("the pickle repeats its values too often");
  if (!given.empty() && given[0].kind == Kind::dict) entries = document_.items(given[0]);
  if (!given.empty() && given[0].kind == Kind::list) {
    for (const Value& pair : document_.items(given[0])) {
      const bool proper = (pair.kind == Kind::list || pair.kind == Kind::tuple) &&
                          document_.items(pair).size() == 2;
      if (!proper) fail("an OrderedDict of what are no pairs");
      for (const Value& item : document_.items(pair)) entries.push_back(item);
    }
  }
  return container(Kind::dict, std::move(entries));
}

Value Builder::storage(const Value& id) {
  if (id.kind != Kind::tuple || document_.items(id).size() < 5)
    fail("a storage is described in an unknown way");
  const auto& parts = document_.items(id);
  const bool proper = parts[0].kind == Kind::text && parts[0].text == "storage" &&
                      parts[1].kind == Kind::global && is_storage(parts[1].text) &&
                      parts[2].kind == Kind::text && parts[4].kind == Kind::integer &&
                      parts[4].integer >= 0;
  if (!proper || parts[2].text.size() > 64) fail("a storage is described in an unknown way");
  document_.storages.push_back(
      {parts[1].text.substr(parts[1].text.find(' ') + 1), parts[2].text, parts[4].integer});
  return Value{Kind::storage, 0, 0, {}, document_.storages.size() - 1};
}

Document Builder::finish(Value root) {
  document_.root = root;
  check_shape(document_, most_);
  return std::move(document_);
}

}  // namespace muon::pickle
