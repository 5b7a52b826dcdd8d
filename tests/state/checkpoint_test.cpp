// Stopped and resumed is never stopped, to the last bit; and a checkpoint that does not fit changes
// nothing.
#include "state/random_state.hpp"
#include "state/training.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <random>

namespace {

using namespace training;
using testing::AllOf;
using testing::HasSubstr;

struct Kind {
  std::string name;
  MakeOptimizer make;
};

class EveryKind : public testing::TestWithParam<Kind> {};

TEST_P(EveryKind, ResumedAtAnyStepIsNeverStopped) {
  torch::set_num_threads(1);
  Folder folder;
  Session whole(GetParam().make);
  for (std::int64_t k = 0; k <= Session::total; ++k) {
    whole.train_to(k);
    muon::save_checkpoint(folder.path, whole.parts());
  }
  const auto expected = whole.values();
  for (std::int64_t k = 0; k <= Session::total; ++k) {
    Session resumed(GetParam().make, /*seed=*/1000 + static_cast<std::uint64_t>(k));
    const auto restored =
        muon::load_checkpoint(folder / fmt::format("step-{:08}.safetensors", k), resumed.parts());
    ASSERT_EQ(restored.step, k);
    resumed.step = restored.step;
    resumed.train_to(Session::total);
    ASSERT_TRUE(same(expected, resumed.values())) << "resumed after step " << k;
  }
}

TEST_P(EveryKind, ArchiveOfLibTorchResumesToo) {
  torch::set_num_threads(1);
  Session whole(GetParam().make);
  whole.train_to(13);
  std::stringstream archive;
  torch::save(*whole.optimizer, archive);
  Session other(GetParam().make, 7);
  {
    const torch::NoGradGuard no_grad;
    const auto from = muon::NamedTensors(*whole.net), to = muon::NamedTensors(*other.net);
    for (std::size_t i = 0; i < from.entries().size(); ++i)
      to.entries()[i].tensor.copy_(from.entries()[i].tensor);
  }
  torch::load(*other.optimizer, archive);
  EXPECT_EQ(other.optimizer->param_groups()[0].options().get_lr(),
            whole.optimizer->param_groups()[0].options().get_lr());
  other.set_step(13);
  EXPECT_TRUE(Session::train_alike(whole, other, 20));
}

INSTANTIATE_TEST_SUITE_P(Checkpoint, EveryKind,
                         testing::Values(Kind{"mixed", mixed}, Kind{"adamw", adamw_only},
                                         Kind{"muon", muon_only}),
                         [](const auto& entry) { return entry.param.name; });

TEST(Checkpoint, TheScaleOfAdamWsUpdatesIsKept) {
  const auto with = [](double scale) {
    return [scale](Net& net) {
      return std::make_unique<muon::MuonWithAuxAdam>(
          *net, muon::drop_in(torch::optim::AdamWOptions(1e-3), scale));
    };
  };
  Folder folder;
  Session from(with(0.18)), to(with(0.2), 2);
  from.train_to(3);
  const fs::path file = muon::save_checkpoint(folder / "a.safetensors", from.parts());
  EXPECT_THAT(error_of([&] { muon::load_checkpoint(file, to.parts()); }),
              HasSubstr("match_rms_scale of group 0 (muon) is 0.18 there and 0.2 here"));
  std::stringstream archive;
  torch::save(*from.optimizer, archive);
  torch::load(*to.optimizer, archive);
  const auto& options = to.optimizer->param_groups()[0].options();
  EXPECT_EQ(static_cast<const muon::MuonOptions&>(options).match_rms_scale(), 0.18);
}

TEST(Checkpoint, GroupsMayComeInAnotherOrder) {
  Folder folder;
  Session first(mixed);
  first.train_to(5);
  const fs::path file = muon::save_checkpoint(folder / "a.safetensors", first.parts());
  first.train_to(10);
  Session second(
      [](Net& net) {
        const auto groups = muon::make_plan(*net).param_groups();
        return std::make_unique<muon::MuonWithAuxAdam>(
            std::vector<muon::ParamGroup>(groups.rbegin(), groups.rend()));
      },
      9);
  second.step = muon::load_checkpoint(file, second.parts()).step;
  second.train_to(10);
  EXPECT_TRUE(same(first.values(), second.values()));
}

TEST(Checkpoint, TiedTensorIsStoredOnceAndFoundByAnyName) {
  struct TiedImpl : torch::nn::Module {
    explicit TiedImpl(bool head_first) {
      const torch::Tensor table = torch::randn({5, 4});
      for (const char* name : {head_first ? "head" : "embed", head_first ? "embed" : "head"})
        weight = register_parameter(name, table);
    }
    torch::Tensor weight;
  };
  Folder folder;
  const TiedImpl one(false), other(true);
  const fs::path file = muon::save_checkpoint(folder / "tied.safetensors", {.model = one});
  EXPECT_EQ(muon::Safetensors(file).tensors().size(), 2u);  // and the random state
  muon::load_checkpoint(file, {.model = other});
  EXPECT_TRUE(torch::equal(one.weight, other.weight));
}

TEST(Checkpoint, UntiedTensorsDoNotBecomeOneSilently) {
  struct TablesImpl : torch::nn::Module {
    TablesImpl(const torch::Tensor& embed, const torch::Tensor& head) {
      register_buffer("embed", embed);
      register_buffer("head", head);
    }
  };
  Folder folder;
  const torch::Tensor embed = torch::ones({5, 4}), head = torch::zeros({5, 4}),
                      shared = torch::full({5, 4}, 7.0f);
  const TablesImpl untied(embed, head), tied(shared, shared);
  const fs::path file = muon::save_checkpoint(folder / "untied.safetensors", {.model = untied});
  muon::save_python_model(folder / "untied.pt", untied);
  const auto refused =
      HasSubstr("'embed' and 'head' are one tensor in the model and differ in the file");
  EXPECT_THAT(error_of([&] { muon::load_checkpoint(file, {.model = tied}); }), refused);
  EXPECT_THAT(error_of([&] { muon::load_python_model(folder / "untied.pt", tied); }), refused);
  EXPECT_EQ(shared.sum().item<float>(), 140);
  head.copy_(embed);
  muon::save_python_model(folder / "equal.pt", untied);
  muon::load_python_model(folder / "equal.pt", tied);
  EXPECT_EQ(shared.sum().item<float>(), 20);
}

TEST(Checkpoint, FolderKeepsTheNewest) {
  Folder folder;
  Session run(mixed);
  write(folder / "muon-0123456789abcdef.tmp", "left by a killed process");
  write(folder / "notes.txt", "mine");
  for (std::int64_t k = 1; k <= 5; ++k) {
    run.train_to(k);
    muon::save_checkpoint(folder / "new/run", run.parts(), /*keep=*/2);
    muon::save_checkpoint(folder.path, run.parts(), 0);
  }
  EXPECT_EQ(muon::latest_checkpoint(folder / "new/run"),
            folder / "new/run/step-00000005.safetensors");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "new/run"), {}), 2);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path), {}), 5 + 2);
  EXPECT_FALSE(muon::latest_checkpoint(folder / "nowhere"));
  EXPECT_THAT(error_of([&] { muon::load_checkpoint(folder / "nowhere", run.parts()); }),
              HasSubstr("does not exist"));
  fs::create_directories(folder / "empty");
  EXPECT_THAT(error_of([&] { muon::load_checkpoint(folder / "empty", run.parts()); }),
              HasSubstr("holds no checkpoint"));
}

TEST(Checkpoint, NotesAndSummary) {
  Folder folder;
  Session run(mixed);
  run.train_to(3);
  auto parts = run.parts();
  parts.notes = {{"order", "seed 7 \"quoted\" \"checksum\":\"crc32:00000000\""}};
  const fs::path file = muon::save_checkpoint(folder / "a.safetensors", parts);
  EXPECT_EQ(muon::load_checkpoint(file, run.parts()).notes, parts.notes);
  const auto summary = muon::inspect_checkpoint(file, true);
  EXPECT_EQ(summary.step, 3);
  EXPECT_EQ(summary.notes, parts.notes);
  ASSERT_GE(summary.groups.size(), 2U);
  const auto& group = summary.groups.front();
  EXPECT_EQ(group.algorithm, muon::Algorithm::muon);
  EXPECT_THAT(group.options,
              testing::Contains(std::pair<std::string, std::string>("method", "automatic")));
  ASSERT_EQ(group.parameters.size(), 1U);
  EXPECT_EQ(group.parameters.front().name, "hidden.weight");
  EXPECT_EQ(group.parameters.front().shape, (std::vector<std::int64_t>{8, 6}));
  EXPECT_EQ(summary.groups.back().algorithm, muon::Algorithm::adamw);
  ASSERT_EQ(summary.schedules.size(), 1U);
  EXPECT_EQ(summary.schedules.front().step, 3);
  EXPECT_EQ(summary.schedules.front().initial_rates, run.schedule->initial_rates());
}

/// What a checkpoint of `from` says to `to`; afterwards `to` must be as it was.
std::string refusal(Session& from, Session& to, const muon::LoadTolerance& allow = {}) {
  Folder folder;
  const fs::path file = muon::save_checkpoint(folder / "a.safetensors", from.parts());
  to.train_to(2);
  const auto before = to.values();
  std::stringstream state, after;
  torch::save(*to.optimizer, state);
  const auto random = at::globalContext().defaultGenerator(at::kCPU).get_state();
  const std::string error = error_of([&] { muon::load_checkpoint(file, to.parts(), allow); });
  if (!error.empty()) {
    torch::save(*to.optimizer, after);
    EXPECT_TRUE(same(before, to.values()));
    EXPECT_EQ(state.str(), after.str());
    EXPECT_TRUE(torch::equal(random, at::globalContext().defaultGenerator(at::kCPU).get_state()));
    EXPECT_THAT(error, HasSubstr(file.string()));
  }
  return error;
}

TEST(Checkpoint, SaysEverythingThatDoesNotFitInOneError) {
  Session from(mixed);
  from.train_to(4);
  Session wider(
      [](Net& net) {
        net = Net(9);
        net->register_module("extra", torch::nn::Linear(2, 2));
        return std::make_unique<muon::MuonWithAuxAdam>(
            *net, muon::keller_jordan_muon().nesterov(false), muon::keller_jordan_adam(1e-3));
      },
      2);
  EXPECT_THAT(refusal(from, wider),
              AllOf(HasSubstr("'embed.weight' has shape"), HasSubstr("'hidden.weight' has shape"),
                    HasSubstr("the file has no 'extra.weight'"), HasSubstr("no state of 'extra."),
                    HasSubstr("nesterov of group 0 (muon) is true there and false here"),
                    HasSubstr("schedule began at learning rates")));
}

TEST(Checkpoint, AllowsWhatTheUserAccepts) {
  Session from(mixed);
  from.train_to(4);
  const auto more = [](Net& net) {
    net->register_module("extra", torch::nn::Linear(2, 2));
    return std::make_unique<muon::MuonWithAuxAdam>(*net, muon::keller_jordan_muon(0.5),
                                                   muon::keller_jordan_adam());
  };
  Session larger(more, 3);
  EXPECT_THAT(refusal(from, larger),
              AllOf(HasSubstr("no state of"), HasSubstr("method of group 0")));
  EXPECT_THAT(refusal(from, larger, {.missing = true}), HasSubstr("method of group 0"));
  Session accepting(more, 3);
  EXPECT_EQ(refusal(from, accepting, {.missing = true, .options = true}), "");
  EXPECT_TRUE(torch::equal(accepting.net->hidden->weight, from.net->hidden->weight));
  EXPECT_EQ(accepting.schedule->initial_rates()[0], 0.5);
  EXPECT_EQ(accepting.optimizer->param_groups()[0].options().get_lr(),
            accepting.schedule->rates(4)[0]);

  Session with_extra(more, 3), smaller(mixed, 4);
  with_extra.train_to(1);
  EXPECT_THAT(refusal(with_extra, smaller, {.options = true}),
              HasSubstr("the model has no 'extra.weight'"));
  Session accepting_less(mixed, 4);
  EXPECT_EQ(refusal(with_extra, accepting_less, {.extra = true, .options = true}), "");
}

TEST(Checkpoint, AnotherDtypeIsRefusedUnlessAllowed) {
  Session from(mixed);
  from.train_to(3);
  const auto wide = [](Net& net) {
    net->to(torch::kFloat64);
    return mixed(net);
  };
  Session other(wide, 2);
  EXPECT_THAT(refusal(from, other), AllOf(HasSubstr("is of type Float in the file and Double"),
                                          HasSubstr("momentum_buffer")));
  Session accepting(wide, 2);
  EXPECT_EQ(refusal(from, accepting, {.dtype = true}), "");
  EXPECT_TRUE(
      torch::equal(accepting.net->hidden->weight, from.net->hidden->weight.to(torch::kFloat64)));
}

TEST(Checkpoint, AParameterThatChangedItsAlgorithmIsRefused) {
  Session from(mixed), to(adamw_only, 2);
  from.train_to(3);
  EXPECT_THAT(refusal(from, to, {.missing = true, .extra = true, .dtype = true, .options = true}),
              HasSubstr("'hidden.weight' was under muon and is under adamw now"));
}

TEST(Checkpoint, FileOfSomethingElse) {
  Folder folder;
  Session run(mixed);
  muon::write_safetensors(folder / "weights.safetensors", {{"a", torch::ones({2})}});
  EXPECT_THAT(error_of([&] { muon::load_checkpoint(folder / "weights.safetensors", run.parts()); }),
              HasSubstr("not a checkpoint"));
  const fs::path file = muon::save_checkpoint(folder / "a.safetensors", run.parts());
  std::string bytes = contents(file);
  const std::string version = "\"format_version\":\"1\"";
  bytes.replace(bytes.find(version), version.size(), "\"format_version\":\"2\"");
  write(file, bytes);
  EXPECT_THAT(error_of([&] { muon::load_checkpoint(file, run.parts()); }),
              HasSubstr("format version 2; this library reads up to 1"));
}

/// The checksum is right, and a read fails all the same: that says nothing of what fits.
TEST(Checkpoint, AReadErrorIsNotTakenForAFileThatDoesNotFit) {
  Folder folder;
  Session run(mixed);
  const fs::path file = muon::save_checkpoint(folder / "a.safetensors", run.parts());
  const std::int64_t bytes = muon::Safetensors(file).info("random/cpu").shape.at(0);
  write(file, with_header(contents(file), fmt::format("\"dtype\":\"U8\",\"shape\":[{}]", bytes),
                          fmt::format("\"dtype\":\"F4\",\"shape\":[{}]", 2 * bytes)));
  EXPECT_THAT(error_of([&] { muon::load_checkpoint(file, run.parts()); }),
              AllOf(HasSubstr(file.string()),
                    HasSubstr("'random/cpu' is of dtype F4, which this LibTorch does not have"),
                    testing::Not(HasSubstr("does not fit"))));
}

/// Files of before there were several: one object, of the only optimizer.
TEST(Checkpoint, AScheduleThatIsNoListIsRead) {
  Folder folder;
  Session run(mixed), other(mixed, 2);
  run.train_to(4);
  const fs::path file = muon::save_checkpoint(folder / "a.safetensors", run.parts());
  std::string bytes = with_header(contents(file), "\"schedule\":\"[{", "\"schedule\":\"{");
  write(file, with_header(bytes, ",\\\"first_group\\\":0}]\"", "}\""));
  EXPECT_EQ(muon::load_checkpoint(file, other.parts()).step, 4);
  EXPECT_EQ(other.schedule->step_count(), 4);
}

TEST(Checkpoint, ANegativeStepIsRefusedBeforeAnythingIsWritten) {
  Folder folder;
  Session run(mixed);
  run.step = -1;
  for (const fs::path& where : {folder / "run", folder / "a.safetensors"}) {
    EXPECT_THROW(muon::save_checkpoint(where, run.parts()), std::invalid_argument);
    EXPECT_THAT(error_of([&] { muon::save_checkpoint(where, run.parts()); }),
                HasSubstr("the step is negative; got -1"));
  }
  EXPECT_TRUE(fs::is_empty(folder.path));
  run.step = 1;
  const fs::path file = muon::save_checkpoint(folder / "a.safetensors", run.parts());
  write(file, with_header(contents(file), "\"step\":\"1\"", "\"step\":\"-1\""));
  EXPECT_THAT(error_of([&] { (void)muon::inspect_checkpoint(file, true); }),
              HasSubstr("has the step '-1'"));
}

/// A clone of a generator is never freed in LibTorch 1.13: 5 kB at each load.
TEST(Checkpoint, LoadingWithRandomStateKeepsNoMemory) {
  Folder folder;
  const Session run(mixed);
  const fs::path file = muon::save_checkpoint(folder / "a.safetensors", {.model = *run.net});
  const auto in_use = [&](int loads) {
    for (int i = 0; i < loads; ++i) muon::load_checkpoint(file, {.model = *run.net});
    return static_cast<std::int64_t>(::mallinfo2().uordblks);
  };
  const std::int64_t before = in_use(20);
  EXPECT_LT(in_use(200) - before, 200 * 1000);
}

/// Checked before it is set, and a check changes nothing.
TEST(Checkpoint, ABadRandomStateIsRefusedAndTheStateStays) {
  at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
  const torch::Tensor before = muon::random_state(generator), other = before.clone();
  EXPECT_FALSE(muon::is_random_state(generator, torch::zeros({7}, torch::kByte)));
  EXPECT_TRUE(muon::is_random_state(generator, other));
  torch::manual_seed(99);
  EXPECT_TRUE(muon::is_random_state(generator, other));
  EXPECT_FALSE(torch::equal(muon::random_state(generator), other));
  muon::set_random_state(generator, before);
}

TEST(Checkpoint, EveryTruncationAndEveryFlippedByteIsFound) {
  Folder folder;
  const torch::nn::Linear layer(2, 2);
  muon::MuonWithAuxAdam optimizer(*layer);
  const muon::TrainingState parts{.model = *layer, .optimizer = &optimizer, .random = false};
  const fs::path file = muon::save_checkpoint(folder / "a.safetensors", parts);
  const std::string good = contents(file);
  const torch::Tensor before = layer->weight.detach().clone();
  std::mt19937 random(1);
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ (1 << random() % 8));
    write(file, bad);
    ASSERT_THAT(error_of([&] { muon::load_checkpoint(file, parts); }), HasSubstr(file.string()))
        << "byte " << i;
    write(file, good.substr(0, i));
    ASSERT_THAT(error_of([&] { muon::load_checkpoint(file, parts); }), HasSubstr(file.string()))
        << "cut at " << i;
  }
  EXPECT_TRUE(torch::equal(before, layer->weight));
  write(file, good);
  EXPECT_EQ(error_of([&] { muon::load_checkpoint(file, parts); }), "");
}

/// Runs in a process of its own; its exit status.
int in_child(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(work());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Checkpoint, AFullDiskLeavesTheOldOne) {
  Folder folder;
  Session run(mixed);
  const fs::path file = muon::save_checkpoint(folder / "a.safetensors", run.parts());
  const std::string good = contents(file);
  EXPECT_EQ(in_child([&] {
              std::signal(SIGXFSZ, SIG_IGN);
              const rlimit limit{2000, 2000};
              if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
              const std::string error = error_of([&] { muon::save_checkpoint(file, run.parts()); });
              return error.find("a.safetensors cannot be written: File too large") !=
                             std::string::npos
                         ? 0
                         : 2;
            }),
            0);
  EXPECT_EQ(contents(file), good);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path), {}), 1);  // no temporary file
}

TEST(Checkpoint, AFolderThatCannotBeWritten) {
  Session run(mixed);
  EXPECT_THAT(error_of([&] { muon::save_checkpoint("/proc/nothing/here", run.parts()); }),
              HasSubstr("/proc/nothing cannot be created"));
  EXPECT_THAT(error_of([&] { muon::save_checkpoint("/proc/a.safetensors", run.parts()); }),
              HasSubstr("/proc/a.safetensors cannot be written"));
}

/// A training without random numbers: each gradient is the distance to a target.
struct Pull : torch::nn::Module {
  Pull() {
    const auto fill = [](std::vector<std::int64_t> shape, double scale) {
      const std::int64_t count = c10::multiply_integers(shape);
      return (torch::arange(count, torch::kFloat64) * scale)
          .sin()
          .to(torch::kFloat32)
          .reshape(shape);
    };
    matrix = register_parameter("matrix", fill({6, 9}, 0.7));
    bias = register_parameter("bias", fill({6}, 1.3));
    target_matrix = fill({6, 9}, 2.1);
    target_bias = fill({6}, 0.4);
  }
  void train(muon::GroupedOptimizer& optimizer, int steps) const {
    for (int i = 0; i < steps; ++i) {
      matrix.mutable_grad() = matrix.detach() - target_matrix;
      bias.mutable_grad() = bias.detach() - target_bias;
      optimizer.step();
    }
  }
  torch::Tensor matrix, bias, target_matrix, target_bias;
};

std::ptrdiff_t temporary_files(const fs::path& folder) {
  return std::count_if(fs::directory_iterator(folder), {},
                       [](const auto& entry) { return entry.path().extension() == ".tmp"; });
}

/// Without autograd, which LibTorch 2 refuses in a forked process. What the moments of the kills
/// are, nothing here depends on: a child tells when it has saved once, and is killed at some time
/// after that.
TEST(Checkpoint, KilledAtAnyMomentThereIsAWholeOne) {
  torch::set_num_threads(1);
  Folder folder;
  const auto optimizer_of = [](const Pull& pull) { return muon::MuonWithAuxAdam(pull); };
  const Pull run;
  auto optimizer = optimizer_of(run);
  muon::save_checkpoint(folder.path, {.model = run, .optimizer = &optimizer, .step = 0}, 2);
  std::mt19937 random(3);
  std::int64_t newest = 0;
  for (int kill = 0; kill < 100; ++kill) {
    std::array<int, 2> saved{};
    ASSERT_EQ(::pipe(saved.data()), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        for (std::int64_t step = newest + 1;; ++step) {
          run.train(optimizer, 1);
          muon::save_checkpoint(folder.path, {.model = run, .optimizer = &optimizer, .step = step},
                                2);
          if (step == newest + 1 && ::write(saved[1], "s", 1) != 1) ::_exit(2);
        }
      } catch (...) {
        ::_exit(1);
      }
    }
    ::close(saved[1]);
    char byte = 0;
    ASSERT_EQ(::read(saved[0], &byte, 1), 1) << "saving failed";
    ::close(saved[0]);
    ::usleep(static_cast<useconds_t>(random() % 6000));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "saving failed";
    ASSERT_LE(temporary_files(folder.path), 1) << "killed writers' files pile up";
    const std::int64_t step =
        muon::load_checkpoint(folder.path, {.model = run, .optimizer = &optimizer}).step;
    ASSERT_GT(step, newest);
    newest = step;
  }
  const Pull whole;
  auto whole_optimizer = optimizer_of(whole);
  whole.train(whole_optimizer, static_cast<int>(newest));
  EXPECT_TRUE(torch::equal(run.matrix, whole.matrix) && torch::equal(run.bias, whole.bias));
  muon::save_checkpoint(folder.path, {.model = run, .optimizer = &optimizer, .step = newest + 1},
                        2);
  // a save that is not killed leaves what it should
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path), {}), 2);
}

TEST(Checkpoint, AnExpandedBufferIsFoundBeforeAnythingIsChanged) {
  struct Expanded : torch::nn::Module {
    explicit Expanded(bool expand) {
      first = register_parameter("first", torch::randn({3}));
      register_buffer("second", expand ? torch::ones({1}).expand({4}) : torch::ones({4}));
    }
    torch::Tensor first;
  };
  Folder folder;
  const Expanded from(false), to(true);
  const torch::Tensor before = to.first.detach().clone();
  const fs::path file = muon::save_checkpoint(folder / "a.safetensors", {.model = from});
  EXPECT_THAT(error_of([&] { muon::load_checkpoint(file, {.model = to}); }),
              HasSubstr("'second' is expanded in the model"));
  EXPECT_TRUE(torch::equal(before, to.first));
}

/// The files in versions/ were written by this test under the LibTorch they are named after:
///     MUON_WRITE_CHECKPOINT=versions/2.14.1.safetensors test_state
///     --gtest_filter='*OtherLibTorchs'
/// Tolerance: 2e-5 of float32, as in golden_test; versions differ in the order of their sums.
TEST(Checkpoint, WrittenByOtherLibTorchs) {
  const auto make = [](const Pull& pull) {
    // by rules, since the built-in ones leave a matrix as small as this one to AdamW
    return muon::MuonWithAuxAdam(
        muon::make_plan(pull, {muon::by_name("matrix").use(muon::keller_jordan_muon()),
                               muon::otherwise().use(muon::keller_jordan_adam())}));
  };
  if (const char* file = std::getenv("MUON_WRITE_CHECKPOINT")) {
    const Pull pull;
    auto optimizer = make(pull);
    pull.train(optimizer, 5);
    torch::manual_seed(11);
    muon::save_checkpoint(file, {.model = pull, .optimizer = &optimizer, .step = 5});
  }
  const Pull whole;
  auto whole_optimizer = make(whole);
  whole.train(whole_optimizer, 10);
  int files = 0;
  for (const auto& entry : fs::directory_iterator(MUON_CHECKPOINT_VERSIONS)) {
    ++files;
    const Pull pull;
    auto optimizer = make(pull);
    const auto restored =
        muon::load_checkpoint(entry.path(), {.model = pull, .optimizer = &optimizer});
    EXPECT_EQ(restored.step, 5);
    EXPECT_TRUE(torch::equal(at::globalContext().defaultGenerator(at::kCPU).get_state(),
                             muon::Safetensors(entry.path()).tensor("random/cpu")));
    pull.train(optimizer, 5);
    EXPECT_LT((pull.matrix - whole.matrix).abs().max().item<double>(), 2e-5) << entry.path();
    EXPECT_LT((pull.bias - whole.bias).abs().max().item<double>(), 2e-5) << entry.path();
  }
  EXPECT_GE(files, 2);
}

}  // namespace
