#include "claude_branch.hpp"

#include <algorithm>
#include <cstddef>

namespace dialogue {
namespace {

using Records = std::vector<TreeRecord>;

std::size_t at(int index) { return static_cast<std::size_t>(index); }

/// A root that is not the first belongs after what it logically continues, or after what was
/// written before it.
void link_roots(Records& records) {
  int previous = -1;
  for (std::size_t i = 0; i < records.size(); ++i) {
    TreeRecord& record = records[i];
    if (record.parent < 0)
      record.parent = record.logical_parent >= 0 ? record.logical_parent : previous;
    if (!record.sidechain) previous = static_cast<int>(i);
  }
}

void cut_cycles(Records& records) {
  std::vector<int> walk(records.size(), -1);  // the walk that has seen a record
  for (std::size_t i = 0; i < records.size(); ++i) {
    for (std::size_t node = i; walk[node] < 0;) {
      walk[node] = static_cast<int>(i);
      const int parent = records[node].parent;
      if (parent < 0) break;
      if (walk[at(parent)] == static_cast<int>(i)) {
        records[node].parent = -1;
        break;
      }
      node = at(parent);
    }
  }
}

struct Forest {
  std::vector<std::vector<int>> children;
  std::vector<int> order;  // parents before their children
};

Forest forest_of(const Records& records) {
  Forest forest;
  forest.children.resize(records.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (records[i].parent < 0) {
      forest.order.push_back(static_cast<int>(i));
    } else {
      forest.children[at(records[i].parent)].push_back(static_cast<int>(i));
    }
  }
  for (std::size_t i = 0; i < forest.order.size(); ++i) {
    const std::vector<int>& children = forest.children[at(forest.order[i])];
    forest.order.insert(forest.order.end(), children.begin(), children.end());
  }
  return forest;
}

/// What a fork must know of the subtree at a record.
struct Subtree {
  int last_turn = -1;
  Lead lead = Lead::none;
  std::string time;  // of what leads
};

/// Of these the one that was written to last; -1 where there are none.
int latest(const std::vector<int>& children, const std::vector<Subtree>& below) {
  const auto earlier = [&](int a, int b) {
    return below[at(a)].last_turn < below[at(b)].last_turn;
  };
  return children.empty() ? -1 : *std::max_element(children.begin(), children.end(), earlier);
}

std::vector<Subtree> subtrees(const Records& records, const Forest& forest) {
  std::vector<Subtree> all(records.size());
  for (auto node = forest.order.rbegin(); node != forest.order.rend(); ++node) {
    const TreeRecord& record = records[at(*node)];
    Subtree& own = all[at(*node)];
    const int main = latest(forest.children[at(*node)], all);
    if (main >= 0) own = all[at(main)];
    if (record.turn && !record.sidechain) own.last_turn = std::max(own.last_turn, *node);
    if (record.lead != Lead::none && !record.sidechain)
      own.lead = record.lead, own.time = record.time;
  }
  return all;
}

}  // namespace

std::vector<bool> active_records(Records records) {
  link_roots(records);
  cut_cycles(records);
  const Forest forest = forest_of(records);
  const std::vector<Subtree> below = subtrees(records, forest);
  std::vector<bool> rewound(records.size(), false), active(records.size(), true);
  for (const int node : forest.order) {
    if (rewound[at(node)] && records[at(node)].prompt) active[at(node)] = false;
    const std::vector<int>& children = forest.children[at(node)];
    const int main = latest(children, below);
    const int copied = records[at(node)].copied;
    const auto typed = [&](int child) {
      return below[at(child)].lead == Lead::typed && (copied < 0 || child < copied);
    };
    for (const int child : children) {
      const bool other = child != main && below[at(child)].time != below[at(main)].time;
      rewound[at(child)] = rewound[at(node)] || (other && typed(child) && typed(main));
      active[at(child)] = active[at(node)];
    }
  }
  return active;
}

}  // namespace dialogue
