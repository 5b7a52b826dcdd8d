// muon/state/python_state.hpp: what Python's torch.save wrote, and files for Python's torch.load.
//
// Reading never executes anything: a small reader knows the opcodes and globals that a state_dict
// needs and refuses every other by name. Files that are written open with Python's default
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

/// How a Muon keeps its momentum.
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
  /// Only the groups of this kind, here and, where both kinds are there, in the file. Python often
  /// has two optimizers in two files.
  std::optional<Algorithm> only = std::nullopt;
  /// Of the file. Known for torch.optim.Muon and MuonWithAuxAdam, which are recognized by their
  /// options. For another whose groups have `momentum` and whose state has `momentum_buffer`,
  /// saying it is needed: guessing is refused.
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

/// State and options of a Python optimizer into `optimizer`: torch.optim.Muon, torch.optim.AdamW,
/// Keller Jordan's MuonWithAuxAdam and SingleDeviceMuonWithAuxAdam.
///
/// Order    By name if the file or `names` has names. Else by place, as in Python: the Muon
///          parameters of the file in order to those of `optimizer` in order, and AdamW's likewise;
///          a file of MuonWithAuxAdam, which sorts each group by size, is recognized. Every shape
///          is compared. Parameters of one shape that come in another order cannot be told apart:
///          use names. An optimizer without names here (made from tensors) goes by place, whatever
///          names the file has.
/// Options  Those in the file are taken (lr, momentum, betas, ...); those it does not have stay.
/// Errors   std::runtime_error naming the file, and nothing is changed: damaged, a global that is
///          not allowed (its name), no optimizer under `key`, an unknown kind of group, counts,
///          shapes or dtypes that differ, `maximize`, a state whose next step would make NaN (NaN
///          or infinity in it, a negative `exp_avg_sq`, a `step` that is no number of steps).
MUON_API void load_python_optimizer(const std::filesystem::path& file, GroupedOptimizer& optimizer,
                                    const PythonOptimizerOptions& options = {});

/// For Python's load_state_dict. What it is for follows from the groups: Muon alone, or `only`
/// Muon: torch.optim.Muon. AdamW alone: torch.optim.AdamW. Both: Keller Jordan's
/// SingleDeviceMuonWithAuxAdam.
///
/// Order    Python assigns by place. Within a group it is that of the parameters here, or of
///          `order`, names as Python has them in its optimizer. Where names are known, the file
///          holds them as "param_names", from which Python can make the same:
///              state = torch.load("o.pt"); parameters = dict(model.named_parameters())
///              names = state["param_groups"][0]["param_names"]
///              muon = torch.optim.Muon([(n, parameters[n]) for n in names])
/// Lost     Python has no views and no methods: it will orthogonalize a parameter as one matrix, by
///          its own polynomial.
/// Errors   std::runtime_error naming the file and the reason. std::invalid_argument: no such
///          groups; a name that `order` lacks; options that the class there does not have
///          (coefficients for each step, amsgrad, another scale).
MUON_API void save_python_optimizer(const std::filesystem::path& file,
                                    const GroupedOptimizer& optimizer,
                                    std::optional<Algorithm> only = std::nullopt,
                                    const std::vector<std::string>& order = {});

/// A model's state_dict into a model, by name, in place. torch.compile's and
/// DistributedDataParallel's prefixes ("_orig_mod.", "module.") are taken off where all names have
/// them.
/// Errors   std::runtime_error naming the file, with all names missing or extra, shapes and dtypes;
///          nothing is changed then.
MUON_API void load_python_model(const std::filesystem::path& file, const NamedTensors& model,
                                const PythonModelOptions& options = {});

/// A dict of names and tensors for model.load_state_dict(torch.load(file)).
MUON_API void save_python_model(const std::filesystem::path& file, const NamedTensors& model);

/// The tensors of a state_dict in a file, in its order, over the mapped file (see Safetensors for
/// what that means).
[[nodiscard]] MUON_API std::vector<std::pair<std::string, at::Tensor>> load_python_tensors(
    const std::filesystem::path& file, const std::string& key = "");

}  // namespace muon
