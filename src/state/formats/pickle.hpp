// Reads the pickles of Python's torch.save as data. Does not use LibTorch.
//
// A pickle is a program for a stack machine that may call any function of Python. This reader
// interprets the opcodes that build plain values and knows the few globals that a state_dict needs,
// which are those of torch.load(weights_only=True); any other global is refused by name. Nothing is
// ever called.
// Source   Python's pickletools, and torch/_weights_only_unpickler.py of PyTorch
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace muon::pickle {

struct Value {
  enum class Kind {
    none,
    boolean,
    integer,
    real,
    text,
    list,
    tuple,
    dict,
    tensor,
    storage,
    global
  };
  Kind kind = Kind::none;
  std::int64_t integer = 0;  ///< also a boolean's
  double real = 0;
  std::string_view text;  ///< the characters of a string; "module name" for a global
  std::size_t index = 0;  ///< into the document's containers, tensors or storages

  bool is(Kind other) const { return kind == other; }
  bool is_number() const { return kind == Kind::integer || kind == Kind::real; }
  double number() const { return kind == Kind::real ? real : static_cast<double>(integer); }
};

/// A piece of the file's data: entry data/<key>.
struct Storage {
  std::string_view type;  ///< "FloatStorage", "BFloat16Storage", ..., "UntypedStorage"
  std::string_view key;
  std::int64_t count = 0;  ///< values; bytes if untyped
};

struct Tensor {
  Storage storage;
  std::string_view dtype;  ///< "float32" where the storage is untyped; else empty
  std::int64_t offset = 0;
  std::vector<std::int64_t> shape, stride;
};

/// The pickled value and everything in it. Strings point into the bytes that were read, which must
/// outlive the document. Values refer to containers by index; a container may be shared, but never
/// contains itself.
struct Document {
  Value root;
  std::vector<std::vector<Value>> containers;  ///< a dict as key, value, key, value, ...
  std::vector<Tensor> tensors;
  std::vector<Storage> storages;
  std::set<std::string> globals;  ///< owns the names of globals, to which values refer

  const std::vector<Value>& items(const Value& container) const {
    return containers[container.index];
  }
  /// The value under a string key of a dict; null if there is none.
  const Value* find(const Value& dict, std::string_view key) const;
};

/// Errors   std::runtime_error without the file's name: truncated, an opcode or a global that is
///          not allowed, values that contain themselves, are nested deeper than 64, or would expand
///          to more than the file could hold; a tensor whose number of values does not fit in 64
///          bits.
/// Cost     Memory in proportion to the bytes.
Document parse(std::string_view bytes);

}  // namespace muon::pickle
