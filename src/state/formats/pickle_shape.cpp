#include "state/formats/pickle_shape.hpp"

#include "state/formats/pickle_builder.hpp"

#include <algorithm>
#include <vector>

namespace muon::pickle {
namespace {

constexpr std::size_t deepest = 64;

/// A traversal that enters each container once and reuses its extent wherever else it is
/// referenced.
class Walk {
 public:
  Walk(const Document& document, std::size_t most)
      : document_(document),
        most_(most),
        known_(document.containers.size()),
        open_(document.containers.size(), false) {}

  void run() {
    if (is_container(document_.root)) enter(document_.root.index);
    while (!path_.empty()) step();
  }

 private:
  /// The extent of an expanded container; a size of 0 means that it is not known yet.
  struct Extent {
    std::size_t size = 0, height = 0;
  };
  struct Visit {
    std::size_t container, next;
    Extent extent;
  };

  void enter(std::size_t container) {
    if (open_[container]) fail("the pickle holds a value that contains itself");
    if (path_.size() >= deepest) fail("the pickle is nested too deeply");
    open_[container] = true;
    path_.push_back({container, 0, {1, 1}});
  }

  void add(const Extent& child) {
    Visit& visit = path_.back();
    if (path_.size() + child.height > deepest) fail("the pickle is nested too deeply");
    visit.extent.size += child.size;
    visit.extent.height = std::max(visit.extent.height, child.height + 1);
    if (visit.extent.size > most_) fail("the pickle repeats its values too often");
  }

  void leave() {
    const Visit done = path_.back();
    path_.pop_back();
    open_[done.container] = false;
    known_[done.container] = done.extent;
    if (!path_.empty()) add(done.extent);
  }

  void step() {
    Visit& visit = path_.back();
    const std::vector<Value>& items = document_.containers[visit.container];
    if (visit.next == items.size()) return leave();
    const Value& item = items[visit.next++];
    if (!is_container(item)) return add({1, 0});
    known_[item.index].size > 0 ? add(known_[item.index]) : enter(item.index);
  }

  const Document& document_;
  std::size_t most_;
  std::vector<Extent> known_;
  std::vector<bool> open_;
  std::vector<Visit> path_;
};

}  // namespace

void check_shape(const Document& document, std::size_t most) { Walk(document, most).run(); }

}  // namespace muon::pickle
