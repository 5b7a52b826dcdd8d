// What Python wrote is read, continued, and read back by Python.
//
// Tolerance of values after steps: 2e-5 relative, float32, as in golden_test. The same operations
// in another order differ by 6e-8 a product; five Newton-Schulz steps amplify by up to 3.4^5 = 485,
// and 20 steps add up.
#include "state/training.hpp"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <thread>

namespace {

using namespace training;
using muon::Algorithm;
using testing::AllOf;
using testing::HasSubstr;

constexpr double tolerance = 2e-5;
const fs::path stored_files = MUON_PYTHON_FILES;

std::map<std::string, torch::Tensor> tensors_of(const fs::path& file, const std::string& key = "") {
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& [name, tensor] : muon::load_python_tensors(file, key)) tensors[name] = tensor;
  return tensors;
}

/// The five parameters of python_peer.py, in another order.
struct ParametersImpl : torch::nn::Module {
  ParametersImpl() {
    for (const auto& [name, shape] :
         std::map<std::string, std::vector<std::int64_t>>{{"bias", {8}},
                                                          {"first", {8, 5}},
                                                          {"gain", {5}},
                                                          {"second", {3, 8}},
                                                          {"third", {8, 5}}}) {
      register_parameter(name, torch::zeros(shape));
    }
  }
  torch::Tensor operator[](const std::string& name) const { return named_parameters()[name]; }
};

/// One of the peer's three ways to make its optimizers.
struct Peer {
  std::string kind;

  std::unique_ptr<muon::GroupedOptimizer> make(const ParametersImpl& p) const {
    using torch::optim::OptimizerParamGroup;
    std::vector<OptimizerParamGroup> groups;
    const auto add = [&](const std::vector<torch::Tensor>& parameters,
                         const torch::optim::OptimizerOptions& options) {
      groups.emplace_back(parameters, options.clone());
    };
    if (kind == "named") {
      auto rules = std::vector<muon::Rule>{muon::by_dim(2).use(muon::MuonOptions()),
                                           muon::otherwise().freeze()};
      return std::make_unique<muon::MuonWithAuxAdam>(muon::make_plan(p, rules));
    }
    if (kind == "muon_and_adamw") {
      add({p["first"], p["second"]}, muon::MuonOptions());
      add({p["third"]}, muon::MuonOptions());
    } else {
      add({p["first"], p["second"], p["third"]}, muon::keller_jordan_muon());
    }
    add({p["bias"], p["gain"]}, torch::optim::AdamWOptions());
    return std::make_unique<muon::MuonWithAuxAdam>(groups);
  }

  /// The names of the peer's optimizers and what of ours they are.
  std::vector<std::pair<std::string, std::optional<Algorithm>>> files() const {
    if (kind == "muon_and_adamw") return {{"muon", Algorithm::muon}, {"adamw", Algorithm::adamw}};
    if (kind == "named") return {{"muon", Algorithm::muon}};
    return {{"both", std::nullopt}};
  }
};

/// Loads what the peer wrote into `folder` after 10 steps and takes 10 more; returns the
/// parameters.
std::shared_ptr<ParametersImpl> continue_training(const Peer& peer, const fs::path& folder,
                                                  const fs::path& results) {
  auto parameters = std::make_shared<ParametersImpl>();
  const auto optimizer = peer.make(*parameters);
  muon::load_python_model(folder / (peer.kind + ".model.pt"), *parameters);
  for (const auto& [name, only] : peer.files()) {
    muon::load_python_optimizer(folder / (peer.kind + "." + name + ".pt"), *optimizer,
                                {.only = only});
  }
  const auto target = tensors_of(folder / "problem.pt", "target");
  for (int i = 0; i < 10; ++i) {
    for (auto& entry : parameters->named_parameters())
      entry.value().mutable_grad() = entry.value().detach() - target.at(entry.key());
    if (peer.kind == "named") {
      for (const char* name : {"bias", "gain"}) (*parameters)[name].mutable_grad().reset();
    }
    optimizer->step();
  }
  muon::save_python_model(results / ("cpp." + peer.kind + ".model.pt"), *parameters);
  for (const auto& [name, only] : peer.files())
    muon::save_python_optimizer(
        results / ("cpp." + peer.kind + "." + name + ".pt"), *optimizer, only,
        peer.kind == "named" ? std::vector<std::string>{"third", "second", "first"}
                             : std::vector<std::string>());
  return parameters;
}

const std::vector<Peer> peers{{"muon_and_adamw"}, {"named"}, {"keller_jordan"}};

TEST(Python, ContinuesFromStoredFilesAsPythonDid) {
  Folder results;
  for (const Peer& peer : peers) {
    const auto parameters = continue_training(peer, stored_files, results.path);
    for (const auto& [name, expected] : tensors_of(stored_files / (peer.kind + ".after20.pt"))) {
      const torch::Tensor got = (*parameters)[name].detach();
      EXPECT_LT(((got - expected).norm() / expected.norm()).item<double>(), tolerance)
          << peer.kind << " " << name;
    }
  }
}

TEST(Python, TenThereTenHereTenThereIsThirtyThere) {
  if (std::system("python3 -c 'import torch.optim._muon' >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "no python3 with torch.optim.Muon (PyTorch 2.9 or newer) here; the stored "
                    "files are tested without it";
  }
  Folder folder;
  const auto python = [&](const std::string& command) {
    return std::system(
        ("python3 -W ignore " MUON_PYTHON_PEER " " + command + " " + folder.path.string()).c_str());
  };
  ASSERT_EQ(python("start"), 0);
  for (const Peer& peer : peers) continue_training(peer, folder.path, folder.path);
  EXPECT_EQ(python("finish"), 0);
}

TEST(Python, WhatWeWriteWeRead) {
  Folder folder;
  Session first(mixed), second(mixed, 2);
  first.train_to(6);
  muon::save_python_optimizer(folder / "o.pt", *first.optimizer);
  muon::save_python_model(folder / "m.pt", *first.net);
  muon::load_python_model(folder / "m.pt", *second.net);
  muon::load_python_optimizer(folder / "o.pt", *second.optimizer);
  for (Session* session : {&first, &second}) session->set_step(6);
  EXPECT_TRUE(Session::train_alike(first, second, 12));
}

/// MuonWithAuxAdam sorts within its groups: nothing may move from one group to another.
TEST(Python, ParametersSortedBySizeWithinTheirGroupsAreRecognized) {
  Folder folder;
  std::vector<torch::Tensor> p;  // numbered as Python's, before it sorted them
  for (const auto& [rows, columns] :
       {std::pair(2, 3), std::pair(5, 4), std::pair(3, 3), std::pair(9, 2)}) {
    p.push_back(torch::zeros({rows, columns}).requires_grad_());
    p.back().mutable_grad() = torch::randn({rows, columns});
  }
  const torch::Tensor gain = torch::zeros({2}).requires_grad_();
  const auto make = [&](const std::vector<std::vector<int>>& order) {
    std::vector<torch::optim::OptimizerParamGroup> groups;
    for (const auto& group : order)
      groups.emplace_back(std::vector<torch::Tensor>{p[group[0]], p[group[1]]},
                          std::make_unique<muon::MuonOptions>());
    groups.emplace_back(std::vector<torch::Tensor>{gain},
                        std::make_unique<torch::optim::AdamWOptions>());
    return std::make_unique<muon::MuonWithAuxAdam>(groups);
  };
  const auto theirs = make({{1, 0}, {3, 2}}), ours = make({{0, 1}, {2, 3}});
  theirs->step();
  muon::save_python_optimizer(folder / "sorted.pt", *theirs);
  muon::load_python_optimizer(folder / "sorted.pt", *ours);
  std::vector<torch::Tensor> after;
  for (const auto& optimizer : {theirs.get(), ours.get()}) {
    const torch::NoGradGuard no_grad;
    for (const torch::Tensor& parameter : p) parameter.zero_();
    optimizer->step();
    for (const torch::Tensor& parameter : p) after.push_back(parameter.detach().clone());
  }
  EXPECT_TRUE(same({after.begin(), after.begin() + 4}, {after.begin() + 4, after.end()}));
}

TEST(Python, EveryKindOfTensorIsRead) {
  const auto t = tensors_of(stored_files / "values.pt", "tensors");
  const torch::Tensor base = torch::arange(24.0);
  EXPECT_TRUE(torch::equal(t.at("transposed"), base.view({4, 6}).t()));
  EXPECT_TRUE(torch::equal(t.at("slice"), base.slice(0, 5, 9)));
  EXPECT_EQ(t.at("slice").data_ptr(), t.at("again").data_ptr());
  EXPECT_EQ(t.at("scalar").item<std::int64_t>(), 3);
  EXPECT_TRUE(torch::equal(t.at("bf16"), torch::tensor({1.5, -2.0}).to(torch::kBFloat16)));
  EXPECT_TRUE(torch::equal(t.at("half"), torch::tensor({0.5}).to(torch::kHalf)));
  EXPECT_TRUE(torch::equal(t.at("boolean"), torch::tensor({true, false})));
  EXPECT_EQ(t.at("empty").sizes(), (std::vector<std::int64_t>{0, 3}));
  EXPECT_TRUE(torch::equal(t.at("parameter"), torch::ones({2})));
  EXPECT_EQ(tensors_of(stored_files / "values.pt", "nested.a").at("b").item<float>(), 5);
  EXPECT_THAT(error_of([] { tensors_of(stored_files / "values.pt", "nested.c"); }),
              HasSubstr("has no 'c'; there is: a"));
}

TEST(Python, ModelAndOptimizerInOneFile) {
  struct LayerImpl : torch::nn::Module {
    LayerImpl() {
      fc = register_module("fc", torch::nn::Linear(3, 2));
      norm = register_module("norm", torch::nn::BatchNorm1d(2));
    }
    torch::nn::Linear fc{nullptr};
    torch::nn::BatchNorm1d norm{nullptr};
  };
  const LayerImpl layer;
  muon::Muon optimizer({layer.fc->weight}, 0.1);
  const fs::path file = stored_files / "checkpoint.pt";
  muon::load_python_model(file, layer, {.key = "model"});
  muon::load_python_optimizer(file, optimizer, {.key = "optimizer"});
  EXPECT_TRUE(torch::equal(layer.fc->weight, tensors_of(file, "model").at("fc.weight")));
  EXPECT_EQ(optimizer.param_groups()[0].options().get_lr(), 0.5);
  EXPECT_THAT(error_of([&] { muon::load_python_optimizer(file, optimizer); }),
              HasSubstr("give the key under which it lies"));
  EXPECT_THAT(error_of([&] { muon::load_python_optimizer(file, optimizer, {.key = "model"}); }),
              HasSubstr("under 'model'"));
}

TEST(Python, RefusesWhatItMustNotRead) {
  const auto refusal = [](const std::string& name) {
    return error_of([&] { tensors_of(stored_files / name); });
  };
  EXPECT_THAT(refusal("evil.pt"),
              AllOf(HasSubstr("evil.pt"), HasSubstr("system"), HasSubstr("Nothing was executed")));
  EXPECT_THAT(refusal("whole_module.pt"), HasSubstr("torch.nn.modules.linear.Linear"));
  EXPECT_THAT(refusal("old_format.pt"), HasSubstr("before PyTorch 1.6"));
  EXPECT_THAT(refusal("script.pt"), HasSubstr("TorchScript"));
  EXPECT_THAT(refusal("nothing.pt"), HasSubstr("No such file"));
}

/// A state_dict of another optimizer than ours changes nothing, and says why.
TEST(Python, SaysWhatDoesNotFit) {
  const ParametersImpl p;
  muon::Muon two({p["first"], p["second"]}, 0.3), other({p["second"], p["first"], p["third"]}, 0.3);
  const fs::path file = stored_files / "muon_and_adamw.muon.pt";
  EXPECT_THAT(error_of([&] { muon::load_python_optimizer(file, two); }),
              HasSubstr("the file has 3 parameters under muon, and here are 2"));
  EXPECT_EQ(two.param_groups()[0].options().get_lr(), 0.3);
  EXPECT_THAT(error_of([&] { muon::load_python_optimizer(file, other); }),
              HasSubstr("number 0 has shape [8, 5] there and [3, 8] here"));
  muon::Muon one_group({p["first"], p["second"], p["third"]}, 0.3);
  EXPECT_THAT(error_of([&] { muon::load_python_optimizer(file, one_group); }),
              HasSubstr("groups with different options"));
  EXPECT_THAT(error_of([&] { muon::load_python_optimizer(file, one_group, {.names = {"a"}}); }),
              HasSubstr("1 names were given for 3"));
}

TEST(Python, MomentumAsASumIsConvertedAndNeverGuessed) {
  const ParametersImpl p;
  muon::Muon optimizer({p["first"], p["second"], p["third"]}, 0.3);
  const fs::path file = stored_files / "keller_jordan.both.pt";
  muon::load_python_optimizer(file, optimizer, {.only = Algorithm::muon});
  const auto buffer = [&] {
    return static_cast<muon::MuonParamState&>(*optimizer.state().begin()->second)
        .momentum_buffer()
        .norm()
        .item<double>();
  };
  const double as_average = buffer();
  muon::load_python_optimizer(
      file, optimizer,
      {.only = Algorithm::muon, .momentum_convention = muon::MomentumConvention::sum});
  EXPECT_NEAR(buffer(), as_average * 0.05, 1e-6 * as_average);
}

TEST(Python, EveryTruncationAndManyFlippedBitsAreSafe) {
  Folder folder;
  const std::string good = contents(stored_files / "checkpoint.pt");
  const auto try_all = [&] {
    const auto tensors = muon::load_python_tensors(folder / "bad.pt", "model");
    for (const auto& [name, tensor] : tensors) (void)tensor.sum();
    const ParametersImpl p;
    muon::Muon optimizer({p["first"]}, 0.1);
    muon::load_python_optimizer(folder / "bad.pt", optimizer, {.key = "optimizer"});
  };
  for (std::size_t i = 0; i < good.size(); ++i) {
    write(folder / "bad.pt", good.substr(0, i));
    ASSERT_THAT(error_of(try_all), HasSubstr("bad.pt")) << "cut at " << i;
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ (1 << i % 8));
    write(folder / "bad.pt", bad);
    (void)error_of(try_all);  // a flipped bit in a weight cannot be seen; it may only not crash
  }
}

TEST(Python, NoneOfAdjustLrIsPythonsDefault) {
  const ParametersImpl p;
  const fs::path stored = stored_files / "muon_and_adamw.muon.pt";  // made with adjust_lr_fn=None
  muon::Muon optimizer({{{p["first"], p["second"]},
                         std::make_unique<muon::MuonOptions>(
                             muon::MuonOptions().adjust_lr_fn(muon::AdjustLr::match_rms_adamw))},
                        {{p["third"]}, std::make_unique<muon::MuonOptions>()}});
  muon::load_python_optimizer(stored, optimizer);
  EXPECT_EQ(static_cast<muon::MuonOptions&>(optimizer.param_groups()[0].options()).adjust_lr_fn(),
            muon::AdjustLr::original);
}

/// torch.optim.Muon has one scale of `match_rms_adamw`.
TEST(Python, AScaleOfOnesOwnIsNotPythons) {
  Folder folder;
  const ParametersImpl p;
  const auto options = [](double scale) {
    return muon::MuonOptions(0.3)
        .adjust_lr_fn(muon::AdjustLr::match_rms_adamw)
        .match_rms_scale(scale);
  };
  muon::Muon pythons({p["first"]}, options(0.2)), own({p["first"]}, options(0.15));
  EXPECT_THAT(error_of([&] { muon::save_python_optimizer(folder / "a.pt", own); }),
              AllOf(HasSubstr("match_rms_scale of 0.15"), HasSubstr("0.2 alone"),
                    HasSubstr("lr 0.225 and weight_decay 0.133333")));
  EXPECT_FALSE(fs::exists(folder / "a.pt"));
  muon::save_python_optimizer(folder / "a.pt", pythons);
  muon::load_python_optimizer(folder / "a.pt", own);
  EXPECT_EQ(static_cast<muon::MuonOptions&>(own.param_groups()[0].options()), options(0.2));
}

TEST(Python, NamesAreNeverIgnoredNorUsedTwice) {
  const ParametersImpl p;
  muon::Muon unnamed({p["third"], p["second"], p["first"]}, 0.3);
  const fs::path file = stored_files / "named.muon.pt";
  EXPECT_THAT(error_of([&] {
                muon::load_python_optimizer(file, unnamed, {.names = {"third", "second", "first"}});
              }),
              HasSubstr("the parameters here have none"));
  const auto named = Peer{"named"}.make(p);
  EXPECT_THAT(error_of([&] {
                muon::load_python_optimizer(file, *named, {.names = {"third", "second", "third"}});
              }),
              HasSubstr("the name 'third' occurs twice"));
}

TEST(Python, RefusesToWriteWhatThereIsNoPlaceFor) {
  Folder folder;
  const ParametersImpl p;
  muon::Muon steps({p["first"]}, muon::MuonOptions().ns_preset(muon::polar_express_steps()));
  EXPECT_THAT(error_of([&] { muon::save_python_optimizer(folder / "a.pt", steps); }),
              HasSubstr("coefficients for each step"));
  muon::MuonWithAuxAdam both(
      {{{p["first"]}, std::make_unique<muon::MuonOptions>(muon::MuonOptions().nesterov(false))},
       {{p["bias"]}, std::make_unique<torch::optim::AdamWOptions>()}});
  EXPECT_THAT(error_of([&] { muon::save_python_optimizer(folder / "a.pt", both); }),
              HasSubstr("Nesterov"));
  EXPECT_FALSE(fs::exists(folder / "a.pt"));
}

TEST(Python, APipeIsWrittenToAndStaysOne) {
  Folder folder;
  Net net;
  muon::save_python_model(folder / "file", *net);
  const fs::path pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::string got;
  std::thread reader([&] { got = contents(pipe); });
  muon::save_python_model(pipe, *net);
  reader.join();
  EXPECT_TRUE(got == contents(folder / "file"));
  EXPECT_TRUE(fs::is_fifo(pipe));
}

TEST(Python, AFullDiskIsAnErrorAndLeavesTheOldFile) {
  Folder folder;
  Session run(mixed);
  muon::save_python_model(folder / "m.pt", *run.net);
  const std::string good = contents(folder / "m.pt");
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{500, 500};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(1);
    const std::string error = error_of([&] { muon::save_python_model(folder / "m.pt", *run.net); });
    ::_exit(error.find("m.pt cannot be written: File too large") != std::string::npos ? 0 : 2);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(contents(folder / "m.pt"), good);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path), {}), 1);
}

}  // namespace
