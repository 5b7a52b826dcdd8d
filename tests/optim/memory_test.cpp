// A step that runs out of memory has changed nothing. A program of its own, since the limit is the
// whole process's.
#include <muon/muon.hpp>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <sys/resource.h>
#include <unistd.h>

#include <cstddef>
#include <exception>
#include <fstream>
#include <vector>

namespace {

using muon::MuonOptions;
using muon::ParamGroup;

std::size_t address_space() {
  std::ifstream file("/proc/self/statm");
  std::size_t pages = 0;
  file >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// While one exists, the process may use that many bytes of address space beyond what it uses now.
class MemoryLimit {
 public:
  explicit MemoryLimit(std::size_t bytes) {
    ::getrlimit(RLIMIT_AS, &before_);
    const rlimit limit{address_space() + bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_AS, &limit);
  }
  ~MemoryLimit() { ::setrlimit(RLIMIT_AS, &before_); }
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;

 private:
  rlimit before_{};
};

std::vector<torch::Tensor> with_gradients(std::vector<torch::Tensor> parameters) {
  for (torch::Tensor& p : parameters) {
    p.requires_grad_();
    p.mutable_grad() = torch::randn_like(p);
  }
  return parameters;
}

/// The first parameter is small; the others need more memory than there is, at a later point of the
/// step: in float64 for the work space, in float16 for copies that the kernels can read, under
/// AdamW for copies as well.
void expect_all_or_nothing(const std::vector<ParamGroup>& groups, std::size_t bytes) {
  muon::MuonWithAuxAdam optimizer(groups);
  std::vector<torch::Tensor> parameters, before;
  for (const ParamGroup& group : groups)
    parameters.insert(parameters.end(), group.params.begin(), group.params.end());
  for (const torch::Tensor& p : parameters) before.push_back(p.detach().clone());
  {
    const MemoryLimit limit(bytes);
    EXPECT_THROW(optimizer.step(), std::exception);
  }
  for (std::size_t i = 0; i < parameters.size(); ++i)
    EXPECT_TRUE(torch::equal(parameters[i], before[i])) << "parameter " << i;
  EXPECT_NO_THROW(optimizer.step());
  for (std::size_t i = 0; i < parameters.size(); ++i)
    EXPECT_FALSE(torch::equal(parameters[i], before[i])) << "parameter " << i;
}

class Memory : public testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer's own address space has no such limit";
#endif
    torch::manual_seed(0);
    // whatever the libraries allocate once
    const auto warm = with_gradients({torch::randn({8, 8}), torch::randn({8})});
    muon::MuonWithAuxAdam(
        {ParamGroup({warm[0]}, MuonOptions()), ParamGroup({warm[1]}, torch::optim::AdamWOptions())})
        .step();
  }
};

TEST_F(Memory, OfALargeFloat64Parameter) {
  // 72 MB, its work space 288
  const auto p =
      with_gradients({torch::randn({64, 64}), torch::randn({3000, 3000}, torch::kFloat64)});
  expect_all_or_nothing({ParamGroup({p[0], p[1]}, MuonOptions().method(muon::Method::dwh2))},
                        std::size_t{200} << 20);
}

TEST_F(Memory, OfALargeHalfPrecisionParameter) {
  // 51 MB, copies 307
  const auto p =
      with_gradients({torch::randn({64, 64}), torch::randn({64, 400'000}).to(torch::kBFloat16)});
  expect_all_or_nothing({ParamGroup({p[0], p[1]}, MuonOptions())}, std::size_t{200} << 20);
}

TEST_F(Memory, OfALargeParameterUnderAdamW) {
  // 50 MB, copies 400
  const auto p =
      with_gradients({torch::randn({64, 64}), torch::randn({25'000'000}).to(torch::kBFloat16)});
  expect_all_or_nothing(
      {ParamGroup({p[0]}, MuonOptions()), ParamGroup({p[1]}, torch::optim::AdamWOptions())},
      std::size_t{250} << 20);
}

}  // namespace
