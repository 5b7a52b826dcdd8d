// Objects into which others are merged. Names keep their order and are found by hashing.
#pragma once

#include <muon/track/value.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>

namespace muon::track {

/// A copy with valid UTF-8 in all strings and names. Nested objects have no duplicate names; the
/// outermost may have some.
/// Errors   std::invalid_argument: a histogram whose edges are not finite, not ascending, or not
///          one more than its counts, or that has a negative count
Object valid(const Object& object);

/// The position of every name of an object. Kept with the object, it makes a merge take time in
/// proportion to what is merged rather than to the whole object.
class ObjectIndex {
 public:
  /// Merges `from` into `into`, the object that this index has followed since it was empty. Objects
  /// of the same name are merged recursively; any other value replaces the old one.
  void merge(Object& into, const Object& from);
  /// `name` must be in the object.
  std::size_t position(const std::string& name) const { return entries_.at(name).position; }
  void clear() { entries_.clear(); }

 private:
  struct Entry {
    std::size_t position;
    std::unique_ptr<ObjectIndex> inner;  // created when something is first merged into an object
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
  /// The entries with the names of `values`, all of which must be in this object, in its order.
  Object entries_named_in(const Object& values) const;

 private:
  Object values_;
  ObjectIndex index_;
};

}  // namespace muon::track
