// MuonOptions: PyTorch's defaults, setters, ranges, the factor of the learning rate.
#include <muon/muon.hpp>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

namespace {

using muon::AdjustLr;
using muon::ComputeDtype;
using muon::MatrixView;
using muon::MuonOptions;
using muon::NewtonSchulzStep;
using muon::NormEps;
using torch::optim::AdamWOptions;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

template <typename Options>
void expect_refused(const Options& options, const std::string& name) {
  try {
    muon::check_options(options, "somewhere");
    ADD_FAILURE() << "not refused: " << name;
  } catch (const std::invalid_argument& error) {
    const std::string text = error.what();
    EXPECT_EQ(text.rfind("[somewhere]", 0), 0u) << text;
    EXPECT_NE(text.find(name), std::string::npos) << text;
  }
}

TEST(MuonOptions, DefaultsArePyTorchs) {  // torch.optim.Muon, 2.14
  const MuonOptions options;
  EXPECT_EQ(options.lr(), 1e-3);
  EXPECT_EQ(options.weight_decay(), 0.1);
  EXPECT_EQ(options.momentum(), 0.95);
  EXPECT_TRUE(options.nesterov());
  EXPECT_EQ(options.ns_coefficients(), (std::vector<NewtonSchulzStep>{{3.4445, -4.7750, 2.0315}}));
  EXPECT_EQ(options.eps(), 1e-7);
  EXPECT_EQ(options.ns_steps(), 5);
  EXPECT_EQ(options.adjust_lr_fn(), AdjustLr::original);
  EXPECT_EQ(options.norm_eps(), NormEps::clamp);
  EXPECT_EQ(options.compute_dtype(), ComputeDtype::automatic);
  EXPECT_EQ(options.match_rms_scale(), 0.2);
}

TEST(MuonOptions, KellerJordansAreHis) {
  EXPECT_EQ(muon::keller_jordan_muon(),
            MuonOptions(0.02).weight_decay(0).momentum(0.95).norm_eps(NormEps::add));
  EXPECT_EQ(muon::keller_jordan_muon(0.5).lr(), 0.5);
  const auto adam = muon::keller_jordan_adam();
  EXPECT_EQ(adam.lr(), 3e-4);
  EXPECT_EQ(adam.betas(), std::make_tuple(0.9, 0.95));
  EXPECT_EQ(adam.eps(), 1e-10);
  EXPECT_EQ(adam.weight_decay(), 0);
}

TEST(MuonOptions, TheDefaultsAreHisWithTheMethodAndTheRateThatTrainBetter) {
  EXPECT_EQ(muon::default_muon(0.5), muon::keller_jordan_muon(0.5).method(muon::Method::automatic));
  EXPECT_EQ(muon::default_muon(), muon::default_muon(0.02));
  EXPECT_EQ(muon::default_adamw(0.5), muon::keller_jordan_adam(0.5));
  EXPECT_EQ(muon::default_adamw(), muon::default_adamw(3e-3));
}

TEST(MuonOptions, SettersChainAndGettersReadThem) {
  auto options =
      MuonOptions(0.5).weight_decay(0.25).momentum(0.75).nesterov(false).eps(1e-3).ns_steps(7);
  options.adjust_lr_fn(AdjustLr::match_rms_adamw)
      .norm_eps(NormEps::add)
      .compute_dtype(ComputeDtype::bfloat16);
  options.ns_coefficients({{1, 2, 3}});
  EXPECT_EQ(options.lr(), 0.5);
  EXPECT_EQ(options.weight_decay(), 0.25);
  EXPECT_EQ(options.momentum(), 0.75);
  EXPECT_FALSE(options.nesterov());
  EXPECT_EQ(options.eps(), 1e-3);
  EXPECT_EQ(options.ns_steps(), 7);
  EXPECT_EQ(options.adjust_lr_fn(), AdjustLr::match_rms_adamw);
  EXPECT_EQ(options.norm_eps(), NormEps::add);
  EXPECT_EQ(options.compute_dtype(), ComputeDtype::bfloat16);
  EXPECT_EQ(options.ns_coefficients(), (std::vector<NewtonSchulzStep>{{1, 2, 3}}));
  options.set_lr(0.125);
  EXPECT_EQ(options.get_lr(), 0.125);
  EXPECT_EQ(options.lr(), 0.125);
}

TEST(MuonOptions, CloneThroughTheBaseClassKeepsEverything) {
  const auto options = MuonOptions(0.5).momentum(0.75).ns_preset(muon::jiacheng_you_steps());
  const torch::optim::OptimizerOptions& base = options;
  const auto copy = base.clone();
  ASSERT_NE(dynamic_cast<MuonOptions*>(copy.get()), nullptr);
  EXPECT_EQ(static_cast<MuonOptions&>(*copy), options);
}

TEST(MuonOptions, EqualityLooksAtEveryOption) {
  const std::vector<MuonOptions> others{MuonOptions(2),
                                        MuonOptions().weight_decay(0),
                                        MuonOptions().momentum(0.5),
                                        MuonOptions().nesterov(false),
                                        MuonOptions().ns_coefficients({{1, 2, 3}}),
                                        MuonOptions().eps(0),
                                        MuonOptions().ns_steps(4),
                                        MuonOptions().adjust_lr_fn(AdjustLr::spectral_unclamped),
                                        MuonOptions().norm_eps(NormEps::add),
                                        MuonOptions().compute_dtype(ComputeDtype::float64),
                                        MuonOptions().method(muon::Method::dwh2),
                                        MuonOptions().norm_bound(muon::NormBound::schatten4),
                                        MuonOptions().match_rms_scale(0.18)};
  EXPECT_EQ(MuonOptions(), MuonOptions());
  for (std::size_t i = 0; i < others.size(); ++i) EXPECT_FALSE(others[i] == MuonOptions()) << i;
}

TEST(MuonOptions, APresetSetsCoefficientsAndTheirNumber) {
  const auto options = MuonOptions().ns_preset(muon::polar_express_paper_steps(8));
  EXPECT_EQ(options.ns_steps(), 8);
  EXPECT_EQ(options.ns_coefficients(), muon::polar_express_paper_steps(8));
  EXPECT_EQ(options.orthogonalize_options().steps, muon::polar_express_paper_steps(8));
  EXPECT_NO_THROW(muon::check_options(options, ""));
}

TEST(MuonOptions, TheLastCoefficientsRepeat) {
  const NewtonSchulzStep first{1, 2, 3}, last{4, 5, 6};
  auto options =
      MuonOptions().ns_coefficients({first, last}).ns_steps(4).eps(0.5).norm_eps(NormEps::add);
  const auto how = options.compute_dtype(ComputeDtype::float64).orthogonalize_options();
  EXPECT_EQ(how.steps, (std::vector{first, last, last, last}));
  EXPECT_EQ(how.eps, 0.5);
  EXPECT_EQ(how.norm_eps, NormEps::add);
  EXPECT_EQ(how.compute_dtype, ComputeDtype::float64);
  EXPECT_EQ(MuonOptions().orthogonalize_options().steps, muon::jordan_steps(5));
}

/// What `static_cast<torch::optim::AdamWOptions&>(group.options()).lr(x)` writes, byte by byte: the
/// cast itself is undefined.
template <class Value>
void write_as_adamw(MuonOptions& options,
                    const Value& (torch::optim::AdamWOptions::*member)() const, Value value) {
  const torch::optim::AdamWOptions adamw;
  const auto* const begin =
      reinterpret_cast<const char*>(static_cast<const torch::optim::OptimizerOptions*>(&adamw));
  const auto offset = reinterpret_cast<const char*>(&(adamw.*member)()) - begin;
  auto* const base =
      reinterpret_cast<char*>(static_cast<torch::optim::OptimizerOptions*>(&options));
  std::memcpy(base + offset, &value, sizeof value);
}

TEST(MuonOptions, AWriteThroughACastToAdamWOptionsIsFound) {
  using torch::optim::AdamWOptions;
  const auto expect_found = [](const char* what, const std::function<void(MuonOptions&)>& write) {
    SCOPED_TRACE(what);
    MuonOptions options(0.02);
    const MuonOptions before = options;
    write(options);
    EXPECT_TRUE(options.written_through_cast());
    EXPECT_THROW(muon::check_options(options, "Muon, group 0"), std::invalid_argument);
    options.lr(before.lr());
    EXPECT_EQ(options, before);  // no other option has been written
  };
  expect_found("lr", [](auto& o) { write_as_adamw(o, &AdamWOptions::lr, 1e-3); });
  expect_found("weight_decay",
               [](auto& o) { write_as_adamw(o, &AdamWOptions::weight_decay, 0.5); });
  expect_found("eps", [](auto& o) { write_as_adamw(o, &AdamWOptions::eps, 1e-3); });
  expect_found("betas", [](auto& o) {
    write_as_adamw(o, &AdamWOptions::betas, std::tuple<double, double>(0.5, 0.5));
  });
  expect_found("amsgrad", [](auto& o) { write_as_adamw(o, &AdamWOptions::amsgrad, true); });
  MuonOptions options(0.02);
  options.lr(0.5);
  options.set_lr(0.25);
  EXPECT_FALSE(options.written_through_cast());
  EXPECT_FALSE(MuonOptions(options).written_through_cast());
}

// ---- ranges ----

TEST(MuonOptionsRange, RefusesEachBadValueByName) {
  for (const double bad : {-1e-9, nan, infinity, -infinity}) {
    expect_refused(MuonOptions(bad), "lr");
    expect_refused(MuonOptions().weight_decay(bad), "weight_decay");
    expect_refused(MuonOptions().momentum(bad), "momentum");
    expect_refused(MuonOptions().eps(bad), "eps");
  }
  for (const double bad : {1.0, 1.5}) expect_refused(MuonOptions().momentum(bad), "momentum");
  for (const int bad : {-1, 100, 1000}) expect_refused(MuonOptions().ns_steps(bad), "ns_steps");
  expect_refused(MuonOptions().ns_coefficients({}), "ns_coefficients");
  for (const NewtonSchulzStep bad : {NewtonSchulzStep{nan, 0, 0}, NewtonSchulzStep{0, infinity, 0},
                                     NewtonSchulzStep{0, 0, nan}}) {
    expect_refused(MuonOptions().ns_coefficients({bad}), "ns_coefficients");
  }
  expect_refused(MuonOptions().ns_coefficients(muon::jiacheng_you_steps()).ns_steps(3),
                 "ns_coefficients");
}

TEST(MuonOptionsRange, AScaleOfAdamWsUpdatesIsPositiveAndHasAnEffect) {
  const auto with = [](double scale) {
    return MuonOptions().adjust_lr_fn(AdjustLr::match_rms_adamw).match_rms_scale(scale);
  };
  for (const double bad : {0.0, -0.2, nan, infinity}) expect_refused(with(bad), "match_rms_scale");
  expect_refused(MuonOptions().match_rms_scale(0.18), "match_rms_adamw");
  EXPECT_NO_THROW(muon::check_options(with(0.18), ""));
}

TEST(MuonOptionsRange, AcceptsItsEnds) {
  EXPECT_NO_THROW(
      muon::check_options(MuonOptions(0).weight_decay(0).momentum(0).eps(0).ns_steps(0), ""));
  EXPECT_NO_THROW(muon::check_options(MuonOptions().ns_steps(99), ""));
  EXPECT_NO_THROW(muon::check_options(
      MuonOptions().ns_coefficients(muon::jiacheng_you_steps()).ns_steps(5), ""));
}

TEST(AdamWOptionsRange, RefusesEachBadValueByName) {
  for (const double bad : {-1e-9, nan, infinity}) {
    expect_refused(AdamWOptions(bad), "lr");
    expect_refused(AdamWOptions().weight_decay(bad), "weight_decay");
    expect_refused(AdamWOptions().eps(bad), "eps");
    expect_refused(AdamWOptions().betas(std::make_tuple(bad, 0.9)), "betas");
    expect_refused(AdamWOptions().betas(std::make_tuple(0.9, bad)), "betas");
  }
  expect_refused(AdamWOptions().betas(std::make_tuple(0.9, 1.0)), "betas");
  EXPECT_NO_THROW(muon::check_options(
      AdamWOptions(0).betas(std::make_tuple(0.0, 0.0)).eps(0).weight_decay(0), ""));
}

// ---- the factor of the learning rate ----

TEST(LrFactor, OriginalGrowsWithTallMatricesOnly) {
  EXPECT_DOUBLE_EQ(muon::lr_factor(AdjustLr::original, 400, 100), 2);
  EXPECT_DOUBLE_EQ(muon::lr_factor(AdjustLr::original, 100, 400), 1);
  EXPECT_DOUBLE_EQ(muon::lr_factor(AdjustLr::original, 100, 100), 1);
}

TEST(LrFactor, MatchRmsAdamwGrowsWithTheLongerSide) {
  EXPECT_DOUBLE_EQ(muon::lr_factor(AdjustLr::match_rms_adamw, 400, 100), 4);
  EXPECT_DOUBLE_EQ(muon::lr_factor(AdjustLr::match_rms_adamw, 100, 400), 4);
}

TEST(LrFactor, TheScaleOfMatchRmsAdamwIsAnOption) {
  const auto options = MuonOptions().adjust_lr_fn(AdjustLr::match_rms_adamw).match_rms_scale(0.18);
  EXPECT_DOUBLE_EQ(muon::lr_factor(options, 100, 400), 3.6);
  EXPECT_DOUBLE_EQ(muon::lr_factor(MuonOptions(), 400, 100), 2);
}

TEST(LrFactor, SpectralUnclampedShrinksForWideMatrices) {
  EXPECT_DOUBLE_EQ(muon::lr_factor(AdjustLr::spectral_unclamped, 400, 100), 2);
  EXPECT_DOUBLE_EQ(muon::lr_factor(AdjustLr::spectral_unclamped, 100, 400), 0.5);
}

TEST(LrFactor, IsZeroForAMatrixWithoutEntries) {
  for (const AdjustLr rule :
       {AdjustLr::original, AdjustLr::match_rms_adamw, AdjustLr::spectral_unclamped}) {
    EXPECT_EQ(muon::lr_factor(rule, 0, 4), 0);
    EXPECT_EQ(muon::lr_factor(rule, 4, 0), 0);
  }
}

TEST(OptionNames, ArePyTorchs) {
  EXPECT_EQ(muon::to_string(AdjustLr::original), "original");
  EXPECT_EQ(muon::to_string(AdjustLr::match_rms_adamw), "match_rms_adamw");
  EXPECT_EQ(muon::to_string(AdjustLr::spectral_unclamped), "spectral_unclamped");
}

}  // namespace
