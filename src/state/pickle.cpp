#include "pickle.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <stdexcept>
#include <unordered_map>
#include <utility>

namespace muon::pickle {
namespace {

using Kind = Value::Kind;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

/// Globals whose call gives a container of its arguments, or nothing that matters.
constexpr std::array<std::string_view, 16> known_globals{"torch._utils _rebuild_tensor_v2",
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
      {"FloatStorage", "DoubleStorage", "HalfStorage", "BFloat16Storage", "LongStorage", "IntStorage", "ShortStorage",
       "CharStorage", "ByteStorage", "BoolStorage", "ComplexFloatStorage", "ComplexDoubleStorage", "UntypedStorage"});
  const bool typed = global.starts_with("torch ") && std::find(types.begin(), types.end(), global.substr(6)) != types.end();
  return typed || global == "torch.storage UntypedStorage" || global == "torch.storage TypedStorage";
}

/// "torch float32": a dtype.
bool is_dtype(std::string_view global) {
  constexpr std::array<std::string_view, 22> types{
      "float16",       "float32",     "float64",         "bfloat16",       "half",      "float",
      "double",        "int8",        "int16",           "int32",          "int64",     "uint8",
      "uint16",        "uint32",      "uint64",          "bool",           "complex64", "complex128",
      "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"};
  return global.starts_with("torch ") && std::find(types.begin(), types.end(), global.substr(6)) != types.end();
}

bool is_container(const Value& v) { return v.kind == Kind::list || v.kind == Kind::tuple || v.kind == Kind::dict; }

class Machine {
 public:
  explicit Machine(std::string_view bytes) : bytes_(bytes) {}

  Document run() {
    while (!step()) {
    }
    check_shape();
    return std::move(document_);
  }

 private:
  // ---- bytes ----

  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size() - at_) fail(fmt::format("the pickle is cut off at byte {}", at_));
    const std::string_view piece = bytes_.substr(at_, static_cast<std::size_t>(count));
    at_ += static_cast<std::size_t>(count);
    return piece;
  }

  std::uint64_t number(std::uint64_t count) {
    const std::string_view piece = take(count);
    std::uint64_t value = 0;
    for (std::size_t i = piece.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(piece[i]);
    return value;
  }

  std::int64_t signed_number(std::uint64_t count) {
    if (count > 8) fail("the pickle has a number of more than 64 bits");
    std::uint64_t value = number(count);
    if (count > 0 && count < 8 && (value >> (8 * count - 1) & 1) != 0) value |= ~std::uint64_t{0} << (8 * count);
    return std::bit_cast<std::int64_t>(value);
  }

  std::string_view line() {
    const auto end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) fail("the pickle is cut off");
    const std::string_view text = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return text;
  }

  // ---- stack ----

  void push(Value value) { stack_.push_back(std::move(value)); }
  void push(Kind kind, std::int64_t integer = 0) { push(Value{kind, integer, 0, {}, 0}); }
  void push_text(std::string_view text) { push(Value{Kind::text, 0, 0, text, 0}); }

  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  Value pop() {
    if (stack_.size() <= floor()) fail("the pickle takes a value that is not there");
    Value value = std::move(stack_.back());
    stack_.pop_back();
    return value;
  }

  Value& top() {
    if (stack_.size() <= floor()) fail("the pickle takes a value that is not there");
    return stack_.back();
  }

  std::vector<Value> pop_to_mark() {
    if (marks_.empty()) fail("the pickle ends a group that it did not begin");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<Value> values(std::make_move_iterator(begin), std::make_move_iterator(stack_.end()));
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return values;
  }

  std::vector<Value> pop_many(std::size_t count) {
    std::vector<Value> values(count);
    for (std::size_t i = count; i-- > 0;) values[i] = pop();
    return values;
  }

  Value container(Kind kind, std::vector<Value> items) {
    count_entries(items.size());
    document_.containers.push_back(std::move(items));
    return Value{kind, 0, 0, {}, document_.containers.size() - 1};
  }

  void count_entries(std::size_t count) {
    entries_ += count;
    if (entries_ > most()) fail("the pickle repeats its values too often");
  }

  std::vector<Value>& items(const Value& value, Kind kind, const char* what) {
    if (value.kind != kind) fail(fmt::format("the pickle adds to what is no {}", what));
    return document_.containers[value.index];
  }

  void extend_list(std::vector<Value> values) {
    auto& list = items(top(), Kind::list, "list");
    list.insert(list.end(), std::make_move_iterator(values.begin()), std::make_move_iterator(values.end()));
  }

  /// A key that comes again replaces, as in Python.
  void set_items(std::vector<Value> values) {
    if (values.size() % 2 != 0) fail("the pickle has a key without a value");
    auto& dict = items(top(), Kind::dict, "dict");
    for (std::size_t i = 0; i < values.size(); i += 2) {
      if (values[i].kind != Kind::text && values[i].kind != Kind::integer)
        fail("the pickle has a dict whose keys are neither texts nor whole numbers");
    }
    dict.insert(dict.end(), std::make_move_iterator(values.begin()), std::make_move_iterator(values.end()));
  }

  void remember(std::uint64_t number) {
    if (memo_.size() > bytes_.size()) fail("the pickle remembers more than it holds");
    memo_[number] = top();
  }

  void recall(std::uint64_t number) {
    const auto found = memo_.find(number);
    if (found == memo_.end()) fail("the pickle refers to a value that was not there");
    push(found->second);
  }

  // ---- globals ----

  void push_global(std::string_view module, std::string_view name) {
    const std::string global = fmt::format("{} {}", module, name);
    const bool known = std::find(known_globals.begin(), known_globals.end(), global) != known_globals.end();
    if (!known && !is_storage(global) && !is_dtype(global)) {
      fail(
          fmt::format("the pickle names {}.{}, which is not among what a state_dict needs (the list of weights_only=True). "
                      "Nothing was executed; save a plain state_dict instead",
                      module, name));
    }
    push(Value{Kind::global, 0, 0, *document_.globals.insert(global).first, 0});
  }

  std::vector<std::int64_t> integers(const Value& value) {
    if (value.kind != Kind::tuple && value.kind != Kind::list) fail("a tensor's size or stride is no tuple");
    if (document_.items(value).size() > 64) fail("a tensor has more than 64 dimensions");
    count_entries(document_.items(value).size());
    std::vector<std::int64_t> numbers;
    for (const Value& item : document_.items(value)) {
      if (item.kind != Kind::integer || item.integer < 0) fail("a tensor's size or stride is no whole number");
      numbers.push_back(item.integer);
    }
    return numbers;
  }

  Value rebuild_tensor(const std::vector<Value>& arguments, bool typed_by_argument) {
    const bool proper = arguments.size() >= (typed_by_argument ? 7u : 4u) && arguments[0].kind == Kind::storage &&
                        arguments[1].kind == Kind::integer && arguments[1].integer >= 0;
    if (!proper) fail("a tensor is described in an unknown way");
    Tensor tensor;
    tensor.storage = document_.storages[arguments[0].index];
    tensor.offset = arguments[1].integer;
    tensor.shape = integers(arguments[2]);
    tensor.stride = integers(arguments[3]);
    if (tensor.shape.size() != tensor.stride.size()) fail("a tensor has not as many strides as sizes");
    if (typed_by_argument) {
      if (arguments[6].kind != Kind::global || !is_dtype(arguments[6].text)) fail("a tensor's type is no dtype");
      tensor.dtype = arguments[6].text.substr(6);
    }
    document_.tensors.push_back(std::move(tensor));
    return Value{Kind::tensor, 0, 0, {}, document_.tensors.size() - 1};
  }

  Value call(const Value& function, const Value& arguments) {
    if (function.kind != Kind::global || arguments.kind != Kind::tuple) fail("the pickle calls what is no function");
    if (document_.items(arguments).size() > 16) fail("the pickle calls with too many values");
    const std::vector<Value> given = document_.items(arguments);  // a copy: new containers may move the old
    const std::string_view name = function.text;
    const auto first = [&]() -> const Value& {
      if (given.empty()) fail(fmt::format("{} without arguments", name));
      return given.front();
    };
    if (name.ends_with(" _rebuild_tensor_v2")) return rebuild_tensor(given, false);
    if (name.ends_with(" _rebuild_tensor_v3")) return rebuild_tensor(given, true);
    if (name.ends_with(" _rebuild_from_type_v2")) {
      if (given.size() < 3 || given[0].text.ends_with(" _rebuild_from_type_v2")) fail("a tensor is described in an unknown way");
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
    if (name == "collections OrderedDict" || name == "collections Counter" || name == "builtins dict") return new_dict(given);
    if (name == "collections defaultdict") return container(Kind::dict, {});
    fail(fmt::format("the pickle calls {}, which is not among what a state_dict needs", name));
  }

  /// Of nothing, of a dict, or of a list of pairs.
  Value new_dict(const std::vector<Value>& given) {
    std::vector<Value> entries;
    if (!given.empty() && is_container(given[0]) && entries_ + 2 * document_.items(given[0]).size() > most())
      fail("the pickle repeats its values too often");
    if (!given.empty() && given[0].kind == Kind::dict) entries = document_.items(given[0]);
    if (!given.empty() && given[0].kind == Kind::list) {
      for (const Value& pair : document_.items(given[0])) {
        const bool proper = (pair.kind == Kind::list || pair.kind == Kind::tuple) && document_.items(pair).size() == 2;
        if (!proper) fail("an OrderedDict of what are no pairs");
        for (const Value& item : document_.items(pair)) entries.push_back(item);
      }
    }
    return container(Kind::dict, std::move(entries));
  }

  /// ("storage", type, key, where it was, count)
  Value persistent(const Value& id) {
    if (id.kind != Kind::tuple || document_.items(id).size() < 5) fail("a storage is described in an unknown way");
    const auto& parts = document_.items(id);
    const bool proper = parts[0].kind == Kind::text && parts[0].text == "storage" && parts[1].kind == Kind::global &&
                        is_storage(parts[1].text) && parts[2].kind == Kind::text && parts[4].kind == Kind::integer &&
                        parts[4].integer >= 0;
    if (!proper || parts[2].text.size() > 64) fail("a storage is described in an unknown way");
    document_.storages.push_back({parts[1].text.substr(parts[1].text.find(' ') + 1), parts[2].text, parts[4].integer});
    return Value{Kind::storage, 0, 0, {}, document_.storages.size() - 1};
  }

  // ---- opcodes ----

  /// One opcode; true at the end.
  bool step() {
    const auto opcode = static_cast<unsigned char>(take(1)[0]);
    if (constant(opcode) || structure(opcode) || memory(opcode)) return false;
    switch (opcode) {
      case 0x80:  // PROTO
        if (const auto version = number(1); version < 2 || version > 5)
          fail(fmt::format("the pickle is of protocol {}", version));
        return false;
      case 0x95: number(8); return false;  // FRAME
      case 'c': {                          // GLOBAL
        const std::string_view module = line();
        push_global(module, line());
        return false;
      }
      case 0x93: {  // STACK_GLOBAL
        const Value name = pop(), module = pop();
        push_global(module.text, name.text);
        return false;
      }
      case 'R':     // REDUCE
      case 0x81: {  // NEWOBJ
        const Value arguments = pop(), function = pop();
        push(call(function, arguments));
        return false;
      }
      case 'b':
        pop();
        (void)top();
        return false;                                   // BUILD: attributes such as a state_dict's _metadata
      case 'Q': push(persistent(pop())); return false;  // BINPERSID
      case '.':                                         // STOP
        document_.root = pop();
        return true;
      default: fail(fmt::format("the pickle has opcode {:#04x}, which a state_dict does not need", opcode));
    }
  }

  bool constant(unsigned char opcode) {
    switch (opcode) {
      case 'N': push(Kind::none); return true;
      case 0x88: push(Kind::boolean, 1); return true;
      case 0x89: push(Kind::boolean, 0); return true;
      case 'K': push(Kind::integer, static_cast<std::int64_t>(number(1))); return true;
      case 'M': push(Kind::integer, static_cast<std::int64_t>(number(2))); return true;
      case 'J': push(Kind::integer, signed_number(4)); return true;
      case 0x8a: push(Kind::integer, signed_number(number(1))); return true;  // LONG1
      case 'G': {                                                             // BINFLOAT, big endian
        std::uint64_t bits = 0;
        for (const char c : take(8)) bits = bits << 8 | static_cast<unsigned char>(c);
        push(Value{Kind::real, 0, std::bit_cast<double>(bits), {}, 0});
        return true;
      }
      case 0x8c:  // SHORT_BINUNICODE
      case 'U':   // SHORT_BINSTRING
      case 'C': push_text(take(number(1))); return true;
      case 'X':  // BINUNICODE
      case 'T':  // BINSTRING
      case 'B': push_text(take(number(4))); return true;
      case 0x8d: push_text(take(number(8))); return true;
      default: return false;
    }
  }

  bool structure(unsigned char opcode) {
    switch (opcode) {
      case '(': marks_.push_back(stack_.size()); return true;
      case '}': push(container(Kind::dict, {})); return true;
      case ']':
      case 0x8f: push(container(Kind::list, {})); return true;  // a set as a list
      case ')': push(container(Kind::tuple, {})); return true;
      case 't': push(container(Kind::tuple, pop_to_mark())); return true;
      case 'l': push(container(Kind::list, pop_to_mark())); return true;
      case 0x85: push(container(Kind::tuple, pop_many(1))); return true;
      case 0x86: push(container(Kind::tuple, pop_many(2))); return true;
      case 0x87: push(container(Kind::tuple, pop_many(3))); return true;
      case 'a': extend_list(pop_many(1)); return true;
      case 'e':
      case 0x90: extend_list(pop_to_mark()); return true;
      case 's': set_items(pop_many(2)); return true;
      case 'u': set_items(pop_to_mark()); return true;
      default: return false;
    }
  }

  bool memory(unsigned char opcode) {
    switch (opcode) {
      case 'q': remember(number(1)); return true;
      case 'r': remember(number(4)); return true;
      case 0x94: remember(memo_.size()); return true;  // MEMOIZE
      case 'h': recall(number(1)); return true;
      case 'j': recall(number(4)); return true;
      default: return false;
    }
  }

  // ---- the whole ----

  /// No value contains itself, none is nested too deeply, and shared ones, written out, do not explode.
  void check_shape() {
    constexpr std::size_t deepest = 64;
    std::vector<std::size_t> sizes(document_.containers.size(), 0);  // written out; 0: not yet known
    std::vector<std::size_t> heights(document_.containers.size(), 0);
    struct Visit {
      std::size_t container, next, size, height;
    };
    std::vector<Visit> path;
    std::vector<bool> open(document_.containers.size(), false);
    const auto is_container = [](const Value& v) {
      return v.kind == Kind::list || v.kind == Kind::tuple || v.kind == Kind::dict;
    };
    const auto enter = [&](const Value& value) {
      if (open[value.index]) fail("the pickle holds a value that contains itself");
      if (path.size() >= deepest) fail("the pickle is nested too deeply");
      open[value.index] = true;
      path.push_back({value.index, 0, 1, 1});
    };
    const auto add = [&](Visit& visit, std::size_t container) {
      visit.size += sizes[container];
      visit.height = std::max(visit.height, heights[container] + 1);
    };
    if (is_container(document_.root)) enter(document_.root);
    while (!path.empty()) {
      Visit& visit = path.back();
      const auto& items = document_.containers[visit.container];
      if (visit.size > most()) fail("the pickle repeats its values too often");
      if (visit.next == items.size()) {
        const Visit done = visit;
        open[done.container] = false;
        sizes[done.container] = done.size;
        heights[done.container] = done.height;
        path.pop_back();
        if (!path.empty()) add(path.back(), done.container);
        continue;
      }
      const Value& item = items[visit.next++];
      if (!is_container(item)) {
        ++visit.size;
      } else if (sizes[item.index] > 0) {
        if (path.size() + heights[item.index] > deepest) fail("the pickle is nested too deeply");
        add(visit, item.index);
      } else {
        enter(item);
      }
    }
  }

  /// Values that a pickle of these bytes can honestly hold.
  std::size_t most() const { return 1000 + 16 * bytes_.size(); }

  std::string_view bytes_;
  std::size_t at_ = 0;
  std::size_t entries_ = 0;  // of all containers when they were made
  std::vector<Value> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, Value> memo_;
  Document document_;
};

}  // namespace

const Value* Document::find(const Value& dict, std::string_view key) const {
  if (dict.kind != Kind::dict) return nullptr;
  const auto& entries = items(dict);
  for (std::size_t i = entries.size(); i >= 2; i -= 2) {  // the last of equal keys counts
    if (entries[i - 2].kind == Kind::text && entries[i - 2].text == key) return &entries[i - 1];
  }
  return nullptr;
}

Document parse(std::string_view bytes) { return Machine(bytes).run(); }

}  // namespace muon::pickle
