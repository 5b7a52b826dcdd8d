#include "state/formats/pickle.hpp"

#include "state/formats/pickle_builder.hpp"

#include <fmt/format.h>

#include <bit>
#include <cstddef>
#include <iterator>
#include <unordered_map>
#include <utility>

namespace muon::pickle {
namespace {

using Kind = Value::Kind;

/// The stack machine: bytes, a stack with marks, a memo. Values are made by the builder.
class Machine {
 public:
  explicit Machine(std::string_view bytes) : bytes_(bytes), build_(1000 + 16 * bytes.size()) {}

  Document run() {
    while (!step()) {
    }
    return build_.finish(pop());
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
    for (std::size_t i = piece.size(); i-- > 0;)
      value = value << 8 | static_cast<unsigned char>(piece[i]);
    return value;
  }

  std::int64_t signed_number(std::uint64_t count) {
    if (count > 8) fail("the pickle has a number of more than 64 bits");
    std::uint64_t value = number(count);
    if (count > 0 && count < 8 && (value >> (8 * count - 1) & 1) != 0)
      value |= ~std::uint64_t{0} << (8 * count);
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
    std::vector<Value> values(std::make_move_iterator(begin),
                              std::make_move_iterator(stack_.end()));
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return values;
  }

  std::vector<Value> pop_many(std::size_t count) {
    std::vector<Value> values(count);
    for (std::size_t i = count; i-- > 0;) values[i] = pop();
    return values;
  }

  void push_container(Kind kind, std::vector<Value> items) {
    push(build_.container(kind, std::move(items)));
  }

  void extend_list(std::vector<Value> values) {
    auto& list = build_.items(top(), Kind::list, "list");
    list.insert(list.end(), std::make_move_iterator(values.begin()),
                std::make_move_iterator(values.end()));
  }

  /// Duplicate keys are kept, and Document::find returns the last.
  void set_items(std::vector<Value> values) {
    if (values.size() % 2 != 0) fail("the pickle has a key without a value");
    auto& dict = build_.items(top(), Kind::dict, "dict");
    for (std::size_t i = 0; i < values.size(); i += 2) {
      if (values[i].kind != Kind::text && values[i].kind != Kind::integer)
        fail("the pickle has a dict whose keys are neither strings nor integers");
    }
    dict.insert(dict.end(), std::make_move_iterator(values.begin()),
                std::make_move_iterator(values.end()));
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
        push(build_.global(module, line()));
        return false;
      }
      case 0x93: {  // STACK_GLOBAL
        const Value name = pop(), module = pop();
        push(build_.global(module.text, name.text));
        return false;
      }
      case 'R':     // REDUCE
      case 0x81: {  // NEWOBJ
        const Value arguments = pop(), function = pop();
        push(build_.call(function, arguments));
        return false;
      }
      case 'b':  // BUILD: attributes such as a state_dict's _metadata
        pop();
        (void)top();
        return false;
      case 'Q': push(build_.storage(pop())); return false;  // BINPERSID
      case '.': return true;                                // STOP
      default:
        fail(
            fmt::format("the pickle has opcode {:#04x}, which a state_dict does not need", opcode));
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
      case 0x8a:
        push(Kind::integer, signed_number(number(1)));
        return true;  // LONG1
      // BINFLOAT, big endian
      case 'G': {
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
      case '}': push_container(Kind::dict, {}); return true;
      case ']':
      case 0x8f: push_container(Kind::list, {}); return true;  // a set as a list
      case ')': push_container(Kind::tuple, {}); return true;
      case 't': push_container(Kind::tuple, pop_to_mark()); return true;
      case 'l': push_container(Kind::list, pop_to_mark()); return true;
      case 0x85: push_container(Kind::tuple, pop_many(1)); return true;
      case 0x86: push_container(Kind::tuple, pop_many(2)); return true;
      case 0x87: push_container(Kind::tuple, pop_many(3)); return true;
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

  std::string_view bytes_;
  std::size_t at_ = 0;
  std::vector<Value> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, Value> memo_;
  Builder build_;
};

}  // namespace

const Value* Document::find(const Value& dict, std::string_view key) const {
  if (dict.kind != Kind::dict) return nullptr;
  const auto& entries = items(dict);
  for (std::size_t i = entries.size(); i >= 2; i -= 2) {  // of equal keys, the last counts
    if (entries[i - 2].kind == Kind::text && entries[i - 2].text == key) return &entries[i - 1];
  }
  return nullptr;
}

Document parse(std::string_view bytes) { return Machine(bytes).run(); }

}  // namespace muon::pickle
