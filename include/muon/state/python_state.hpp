// muon/state/python_state.hpp: what Python's torch.save wrote, and files for Python's torch.load.
//
// Reading never executes anything: a small reader knows the opcodes and globals that a state_dict
// needs and refuses all others by name. Files that are written open with Python's default
// torch.load (weights_only=True).
//
//     Python   torch.save(optimizer.state_dict(), "o.pt")
//     C++      muon::load_python_optimizer("o.pt", optimizer);
//
//     Python   torch.save({"model": m.state_dict(), "optimizer": o.state_dict()}, "c.pt")
//     C++      muon::load_python_model("c.pt", *model, {.key = "model"});
//              muon::load_python_optimizer("c.pt", optimizer, {.key = "optimizer"});
//
//     C++      muon::save_python_optimizer("o.pt", optimizer);
//     Python   optimizer.load_state_dict(torch.load("o.pt"))
//
// docs/checkpoints.md shows whole programs for both sides.
#pragma once

#include <muon/export.hpp>
#include <muon/plan/plan.hpp>
#include <muon/state/checkpoint.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muon {

/// How an implementation of Muon accumulates its momentum.
enum class MomentumConvention {
  /// buffer = mu buffer + (1 - mu) gradient: torch.optim.Muon, Keller Jordan's, and this library
  ema,
  /// buffer = mu buffer + gradient, larger by 1 / (1 - mu), as Moonlight's and dion's formulas have
  /// it
  sum,
};

struct PythonOptimizerOptions {
  /// Where in the file: "optimizer" for torch.save({"optimizer": ...}), "trainer.optimizer" for
  /// dicts in dicts. Empty: the whole.
  std::string key = "";
  /// Only the groups of this algorithm, here and, if it has both, in the file. Python often has two
  /// optimizers in two files.
  std::optional<Algorithm> only = std::nullopt;
  /// The file's convention. It is known for torch.optim.Muon and MuonWithAuxAdam, which are
  /// recognized by their options. It must be given for any other optimizer whose groups have
  /// `momentum` and whose state has `momentum_buffer`, since it is never guessed.
  std::optional<MomentumConvention> momentum_convention = std::nullopt;
  /// Names of the file's parameters in its order, where it has none of its own ("param_names",
  /// PyTorch 2.6 and newer).
  std::vector<std::string> names = {};
  /// Convert state of another dtype.
  bool allow_dtype = false;
};

struct PythonModelOptions {
  /// Where in the file: "model" for torch.save({"model": ...}). Empty: the whole.
  std::string key = "";
  /// Convert values of another dtype.
  bool allow_dtype = false;
};

/// Loads state and options of a Python optimizer into `optimizer`: torch.optim.Muon,
/// torch.optim.AdamW, Keller Jordan's MuonWithAuxAdam and SingleDeviceMuonWithAuxAdam.
///
/// Order    By name if the file or `names` has names. Otherwise by position, as in Python: the Muon
///          parameters of the file in order to those of `optimizer` in order, and AdamW's likewise;
///          a file of MuonWithAuxAdam, which sorts each group by size, is recognized. Every shape
///          is compared. Parameters of one shape that come in another order cannot be told apart:
///          use names. An optimizer that has no names (constructed from tensors) is matched by
///          position, whatever names the file has.
/// Options  Those in the file are taken (lr, momentum, betas, ...); the others stay.
/// Errors   std::runtime_error naming the file, and nothing is changed: damaged, a global that is
///          not allowed (its name), no optimizer under `key`, an unknown kind of group, counts,
///          shapes or dtypes that differ, `maximize`, a state whose next step would make NaN (NaN
///          or infinity in it, a negative `exp_avg_sq`, an invalid `step`).
MUON_API void load_python_optimizer(const std::filesystem::path& file, GroupedOptimizer& optimizer,
                                    const PythonOptimizerOptions& options = {});

/// Writes a state_dict for Python's load_state_dict. The groups decide for which class: only
/// Muon's, or with `only`: torch.optim.Muon. Only AdamW's: torch.optim.AdamW. Both: Keller Jordan's
/// SingleDeviceMuonWithAuxAdam.
///
/// Order    Python matches by position. The order is that of the parameters here, or that of
///          `order`, which lists the names as Python's optimizer has them. Where names are known,
///          the file holds them as "param_names", from which Python can construct an optimizer of
///          the same order:
///              state = torch.load("o.pt"); parameters = dict(model.named_parameters())
///              names = state["param_groups"][0]["param_names"]
///              muon = torch.optim.Muon([(n, parameters[n]) for n in names])
/// Lost     Python has neither views nor methods: it will orthogonalize each parameter as one
///          matrix, with its own polynomial.
/// Errors   std::runtime_error naming the file and the reason. std::invalid_argument: no such
///          groups; a name that `order` lacks; options that the Python class does not have
///          (coefficients for each step, amsgrad, another scale).
MUON_API void save_python_optimizer(const std::filesystem::path& file,
                                    const GroupedOptimizer& optimizer,
                                    std::optional<Algorithm> only = std::nullopt,
                                    const std::vector<std::string>& order = {});

/// Loads a model's state_dict into a model, by name and in place. The prefixes of torch.compile and
/// DistributedDataParallel ("_orig_mod.", "module.") are removed if all names have them.
/// Errors   std::runtime_error naming the file and all names that are missing or extra and all
///          shapes and dtypes that differ; nothing is changed then.
MUON_API void load_python_model(const std::filesystem::path& file, const NamedTensors& model,
                                const PythonModelOptions& options = {});

/// Writes a dict of names and tensors for model.load_state_dict(torch.load(file)).
MUON_API void save_python_model(const std::filesystem::path& file, const NamedTensors& model);

/// The tensors of a state_dict in a file, in its order. They lie in the mapped file, as those of
/// Safetensors do.
[[nodiscard]] MUON_API std::vector<std::pair<std::string, at::Tensor>> load_python_tensors(
    const std::filesystem::path& file, const std::string& key = "");

}  // namespace muon
