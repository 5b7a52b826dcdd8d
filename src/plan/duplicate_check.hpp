// Finds parameters that occur twice in a plan.
#pragma once

#include <muon/plan/parameter.hpp>

#include <map>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace muon {

/// Finds names and tensors that occur twice. Two tensors in the same memory (`a.set_data(b)`) are
/// one parameter to the network and two to an optimizer.
class DuplicateCheck {
 public:
  /// Appends to `errors` what `p` shares with the parameters checked before.
  void check(const Parameter& p, std::vector<std::string>& errors);

 private:
  void add_name(const std::string& name, std::vector<std::string>& errors);
  void add_memory(const Parameter& p, std::vector<std::string>& errors);

  std::unordered_set<std::string> names_;
  std::unordered_set<const c10::TensorImpl*> tensors_;
  std::map<const char*, std::pair<const char*, std::string>> memory_;  // first byte -> end, name
};

}  // namespace muon
