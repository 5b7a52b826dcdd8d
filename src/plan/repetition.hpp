// Which layers a model has several of: in numbered blocks, lists and Sequentials.
#pragma once

#include "plan/entry.hpp"

#include <map>
#include <string>
#include <vector>

namespace muon {

class Repetition {
 public:
  /// The entry must stay where it is.
  void add(const Entry& entry);

  /// Whether another numbered block has a parameter of the same name and shape:
  /// `layers.3.fc.weight` and `layers.0.fc.weight`.
  bool repeats(const Entry& entry) const;

  /// Whether its number is the highest of a list, a Sequential, or layers called fc1, fc2. True for
  /// a layer without a number.
  bool ends_sequence(const Entry& entry) const;
  std::size_t length_of_sequence(const Entry& entry) const;

  /// Whether it is in the last of several numbered blocks that differ in shape.
  bool is_in_last_block(const Entry& entry) const;

 private:
  struct Sequence {
    std::vector<std::string> last;
    std::size_t length = 0;
  };
  std::map<std::string, int> in_blocks_;  // by name without the blocks' numbers, and shape
  std::map<std::string, std::vector<const Entry*>> by_name_;  // without any number
  std::map<std::string, Sequence> sequences_;
};

}  // namespace muon
