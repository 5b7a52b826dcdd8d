// Objects of 200,000 names. A merge that looked through all names for each of them would take
// hours.
#include "track/memory_sink.hpp"
#include "track/run_folder.hpp"

#include <muon/track/run.hpp>
#include <muon/track/wandb.hpp>

#include <string>

namespace {

using namespace muon::track;
using namespace track_test;

class Scale : public InFolder {};

constexpr std::int64_t names = 200'000;

std::string key(std::int64_t i) { return "key " + std::to_string(i); }

Object many(std::int64_t sign) {
  Object object;
  for (std::int64_t i = 0; i < names; ++i) object.emplace_back(key(i), sign * i);
  return object;
}

void expect_many(const Object& object, std::int64_t sign) {
  ASSERT_EQ(object.size(), static_cast<std::size_t>(names));
  for (std::int64_t i = 0; i < names; ++i) {
    const auto& [name, value] = object[static_cast<std::size_t>(i)];
    ASSERT_EQ(name, key(i));
    ASSERT_EQ(std::get<std::int64_t>(value.get()), sign * i);
  }
}

TEST_F(Scale, AConfig) {
  const auto memory = std::make_shared<Memory>();
  auto run = init({.config = many(1), .sinks = {memory}});
  expect_many(memory->first_config, 1);
  run.config().update(many(-1));
  expect_many(memory->config_changes, -1);
  for (std::int64_t i = 0; i < names; ++i) run.config().update({{key(i), i}});
  expect_many(run.config().values(), 1);
}

TEST_F(Scale, ObjectsInAConfig) {
  auto run = init({.config = {{"inner", Object{{"inner", many(1)}}}}, .dir = folder});
  run.config().update({{"inner", Object{{"inner", many(-1)}}}});
  const Object config = run.config().values();
  const auto& inner = std::get<Object>(config.front().second.get());
  expect_many(std::get<Object>(inner.front().second.get()), -1);
}

TEST_F(Scale, ARow) {
  const auto memory = std::make_shared<Memory>();
  auto run = init({.sinks = {memory}});
  for (std::int64_t i = 0; i < names; ++i) run.log({{"inner", Object{{key(i), i}}}}, 0);
  run.log(many(1), 1);
  run.log(many(-1), 1);
  run.finish();
  ASSERT_EQ(memory->rows.size(), 2u);
  expect_many(std::get<Object>(memory->rows[0].values.front().second.get()), 1);
  expect_many(memory->rows[1].values, -1);
}

TEST_F(Scale, MetricsThatNeedAStepMetric) {
  auto run = init({.dir = folder});
  run.define_metric({.name = "*", .step_metric = "epoch"});
  run.log({{"epoch", 1}});
  run.log(many(1));
  run.log(many(-1));
  run.finish();
  EXPECT_TRUE(run.problems().empty());
}

}  // namespace
