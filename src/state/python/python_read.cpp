// Loads Python's optimizer and model state, and matches its parameters to those here.
#include <muon/state/python_state.hpp>

#include "matrix/shape_text.hpp"
#include "optim/optimizer_state.hpp"
#include "state/formats/python_file.hpp"
#include "state/model_state.hpp"
#include "state/python/python_optimizer.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muon {
namespace {

using Json = nlohmann::ordered_json;
using Sizes = std::vector<std::int64_t>;
using Theirs = std::vector<PythonOptimizer::Parameter>;

/// One parameter of the optimizer here.
struct Place {
  std::size_t group, index;
};

class Matcher {
 public:
  Matcher(const PythonFile& file, const PythonOptimizerOptions& options)
      : file_(file), options_(options), python_(file, options) {}

  /// Copies the file's state of the parameters under one algorithm to `state`.
  void match(OptimizerState& state, Algorithm algorithm) const {
    const Theirs theirs = python_.parameters(algorithm);
    std::vector<Place> ours = places(state, algorithm);
    if (theirs.empty() && ours.empty()) return;
    if (theirs.size() != ours.size()) {
      fail(fmt::format(
          "the file has {} parameters under {}, and here are {}{}", theirs.size(),
          to_string(algorithm), ours.size(),
          options_.only ? "" : "; Python's two optimizers have a file each: see `only`"));
    }
    const bool named =
        std::all_of(theirs.begin(), theirs.end(), [](const auto& p) { return !p.name.empty(); }) &&
        std::any_of(ours.begin(), ours.end(),
                    [&](const Place& p) { return at(state, p).is_named; });
    if (!named && !options_.names.empty())
      fail(
          "names were given, and the parameters here have none: make the optimizer from a plan, or "
          "leave the names out");
    ours = named ? by_name(state, theirs, ours) : by_place(state, theirs, std::move(ours));
    for (std::size_t i = 0; i < ours.size(); ++i) {
      ParameterState& parameter = state[ours[i].group].parameters[ours[i].index];
      parameter.tensors = python_.tensors_of(theirs[i], parameter);
    }
    for (std::size_t g = 0; g < state.size(); ++g) take_options(state[g], g, theirs, ours);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { file_.fail_unchanged(what); }

  static const ParameterState& at(const OptimizerState& state, const Place& place) {
    return state[place.group].parameters[place.index];
  }

  static std::vector<Place> places(const OptimizerState& state, Algorithm algorithm) {
    std::vector<Place> places;
    for (std::size_t g = 0; g < state.size(); ++g) {
      if (state[g].algorithm != algorithm) continue;
      for (std::size_t i = 0; i < state[g].parameters.size(); ++i) places.push_back({g, i});
    }
    return places;
  }

  /// The parameters here in the order of the file's.
  std::vector<Place> by_name(const OptimizerState& state, const Theirs& theirs,
                             const std::vector<Place>& ours) const {
    std::map<std::string_view, const Place*> known;
    for (const Place& own : ours) known.emplace(at(state, own).name, &own);
    std::vector<Place> ordered;
    std::vector<std::string> missing;
    for (const auto& parameter : theirs) {
      const auto found = known.find(parameter.name);
      if (found == known.end()) {
        missing.push_back(parameter.name);
      } else if (found->second == nullptr) {
        fail(fmt::format("the name '{}' occurs twice", parameter.name));
      } else {
        ordered.push_back(*std::exchange(found->second, nullptr));
      }
    }
    if (!missing.empty())
      fail(fmt::format("no parameter here is called '{}'", fmt::join(missing, "', '")));
    return ordered;
  }

  bool fits(const OptimizerState& state, const Theirs& theirs,
            const std::vector<Place>& ours) const {
    for (std::size_t i = 0; i < ours.size(); ++i) {
      const Sizes* const shape = python_.shape_of(theirs[i]);
      if (shape != nullptr && *shape != at(state, ours[i]).shape) return false;
    }
    return true;
  }

  /// The order of Keller Jordan's classes: sorted within each group.
  std::vector<Place> sorted_by_size(const OptimizerState& state, const Theirs& theirs,
                                    std::vector<Place> ours) const {
    for (std::size_t begin = 0, end = 0; begin < ours.size(); begin = end) {
      while (end < ours.size() && theirs[end].group == theirs[begin].group) ++end;
      if (!python_.is_sorted(theirs[begin].group)) continue;
      std::stable_sort(
          ours.begin() + static_cast<std::ptrdiff_t>(begin),
          ours.begin() + static_cast<std::ptrdiff_t>(end),
          [&](const Place& a, const Place& b) { return at(state, a).shape > at(state, b).shape; });
    }
    return ours;
  }

  std::vector<Place> by_place(const OptimizerState& state, const Theirs& theirs,
                              std::vector<Place> ours) const {
    if (fits(state, theirs, ours)) return ours;
    const std::vector<Place> sorted = sorted_by_size(state, theirs, ours);
    if (fits(state, theirs, sorted)) return sorted;
    std::vector<std::string> differences;
    for (std::size_t i = 0; i < ours.size() && differences.size() < 8; ++i) {
      const ParameterState& own = at(state, ours[i]);
      const Sizes* const there = python_.shape_of(theirs[i]);
      if (there != nullptr && *there != own.shape)
        differences.push_back(fmt::format("number {} has shape {} there and {} here ('{}')", i,
                                          shape_text(*there), shape_text(own.shape), own.name));
    }
    fail(fmt::format("{}", fmt::join(differences, "\n  ")));
  }

  /// Takes the options of a group here from the one group of the file that its parameters were in.
  void take_options(GroupState& group, std::size_t g, const Theirs& theirs,
                    const std::vector<Place>& ours) const {
    std::set<std::size_t> from;
    for (std::size_t i = 0; i < ours.size(); ++i) {
      if (ours[i].group == g) from.insert(theirs[i].group);
    }
    if (from.empty()) return;
    Json options = python_.options_of(*from.begin(), group.options);
    for (const std::size_t other : from) {
      if (python_.options_of(other, group.options) != options)
        fail(fmt::format(
            "the parameters of group {} here are in groups with different options there", g));
    }
    group.options = std::move(options);
  }

  const PythonFile& file_;
  const PythonOptimizerOptions& options_;
  PythonOptimizer python_;
};

void apply(const PythonFile& file, const PendingRestore& prepared) {
  if (!prepared.problems.empty())
    file.fail_unchanged(fmt::format("{}", fmt::join(prepared.problems, "\n  ")));
  prepared.apply();
}

/// Removes the prefix that a wrapper puts before every name.
std::string unwrapped(std::string name) {
  for (const std::string_view prefix : {"_orig_mod.", "module.", "_orig_mod."}) {
    if (name.starts_with(prefix)) name.erase(0, prefix.size());
  }
  return name;
}

}  // namespace

void load_python_optimizer(const std::filesystem::path& path, GroupedOptimizer& optimizer,
                           const PythonOptimizerOptions& options) {
  const c10::NoGradGuard no_grad;
  const auto names = [&](const at::Tensor& parameter) {
    const auto name = optimizer.name(parameter);
    return name ? std::vector<std::string>{*name} : std::vector<std::string>();
  };
  try {
    const PythonFile file(path);
    const Matcher matcher(file, options);
    // starts from the present state: what the file does not mention stays
    OptimizerState state = state_of_optimizer(optimizer, names);
    for (const Algorithm algorithm : {Algorithm::muon, Algorithm::adamw}) {
      if (!options.only || *options.only == algorithm) matcher.match(state, algorithm);
    }
    PendingRestore prepared;
    prepare_restore({&optimizer}, state, names, {.dtype = options.allow_dtype},
                    StoredOptions::are_set, prepared);
    apply(file, prepared);
  } catch (const c10::Error& error) {
    throw std::runtime_error(
        fmt::format("[python_state] {}: {}", path.string(), error.what_without_backtrace()));
  }
}

std::vector<std::pair<std::string, at::Tensor>> load_python_tensors(
    const std::filesystem::path& path, const std::string& key) {
  const PythonFile file(path);
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const auto& [name, value] : file.tensors_in(file.at(key)))
    tensors.emplace_back(name, file.tensor(value));
  return tensors;
}

void load_python_model(const std::filesystem::path& path, const NamedTensors& model,
                       const PythonModelOptions& options) {
  const c10::NoGradGuard no_grad;
  const PythonFile file(path);
  const auto list = file.tensors_in(file.at(options.key));
  const auto& entries = model.entries();
  const bool direct = std::any_of(entries.begin(), entries.end(), [&](const auto& entry) {
    return std::any_of(list.begin(), list.end(),
                       [&](const auto& item) { return item.first == entry.names.front(); });
  });
  std::map<std::string, StoredTensor> stored;
  for (const auto& [name, value] : list)
    stored[direct ? name : unwrapped(name)] = {file.description(value).shape,
                                               [&file, v = value] { return file.tensor(v); }};
  PendingRestore prepared;
  prepare_model(model, stored, {.dtype = options.allow_dtype}, prepared);
  apply(file, prepared);
}

}  // namespace muon
