// Objects that others are merged into: names keep their order and are found by hashing.
#pragma once

#include <muon/track/value.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>

namespace muon::track {

/// A copy with valid UTF-8 in all texts and names. Objects inside have no name twice; the outermost
/// may.
/// Errors   std::invalid_argument: a histogram whose edges are not finite, ascending and one more
///          than its counts, or with a negative count
Object valid(const Object& object);

/// The position of every name of an object. Beside an object that is kept, it makes a merge take
/// time in proportion to what is merged and not to the whole.
class ObjectIndex {
 public:
  /// Merges `from` into `into`, which is the object that this index has followed from its
  /// beginning. Two objects of one name are merged in turn; any other value replaces the old one.
  void merge(Object& into, const Object& from);
  /// `name` is in the object.
  std::size_t position(const std::string& name) const { return entries_.at(name).position; }
  void clear() { entries_.clear(); }

 private:
  struct Entry {
    std::size_t position;
    std::unique_ptr<ObjectIndex> inner;  // made when something is first merged into an object
  };

  static void merge_value(Value& into, const Value& from, Entry& entry);
  std::unordered_map<std::string, Entry> entries_;
};

/// An object with its index.
class MergedObject {
 public:
  void merge(const Object& values) { index_.merge(values_, values); }
  void clear();
  const Object& get() const { return values_; }
  /// The entries that have the names of `values`, in the order of this object, which has all of
  /// them.
  Object entries_named_in(const Object& values) const;

 private:
  Object values_;
  ObjectIndex index_;
};

}  // namespace muon::track
