#include "train/position.hpp"

#include "cli/print.hpp"

#include <nlohmann/json.hpp>
#include <torch/torch.h>

#include <stdexcept>
#include <utility>

namespace cli {

Position::Position(torch::Device device)
    : loss_sum(torch::zeros({}, torch::TensorOptions().dtype(torch::kFloat64).device(device))) {}

double Position::loss() const { return loss_sum.item<double>() / static_cast<double>(batches); }

void Position::end_epoch() {
  ++epoch;
  batches = 0;
  loss_sum.zero_();
}

std::map<std::string, std::string> Position::notes() const {
  const nlohmann::ordered_json position{
      {"epoch", epoch}, {"batches", batches}, {"loss_sum", loss_sum.item<double>()}};
  return {{"position", position.dump()}, {"results", results_json(results).dump()}};
}

void Position::from_notes(const std::map<std::string, std::string>& notes, std::int64_t at_step,
                          std::int64_t steps_an_epoch) {
  const auto position = nlohmann::json::parse(notes.at("position"));
  const std::int64_t at_epoch = position.at("epoch"), at_batches = position.at("batches");
  const double sum = number(position.at("loss_sum"));
  auto reached = results_from_json(nlohmann::json::parse(notes.at("results")));
  const bool inside = at_batches >= 0 && at_batches <= steps_an_epoch && at_batches <= at_step;
  const std::int64_t of_whole_epochs = inside ? at_step - at_batches : 0;
  if (!inside || of_whole_epochs % steps_an_epoch != 0 ||
      at_epoch != of_whole_epochs / steps_an_epoch + 1) {
    throw std::runtime_error(
        message("after {} steps it is at batch {} of epoch {}, and an epoch has {} steps here; "
                "give the run's data",
                at_step, at_batches, at_epoch, steps_an_epoch));
  }
  if (at_batches > 0 && !reached.empty() && reached.back().epoch == at_epoch) reached.pop_back();
  if (static_cast<std::int64_t>(reached.size()) != at_epoch - 1)
    throw std::runtime_error(
        message("it is in epoch {} and has the results of {} epochs", at_epoch, reached.size()));
  step = at_step;
  epoch = at_epoch;
  batches = at_batches;
  loss_sum.fill_(sum);
  results = std::move(reached);
}

}  // namespace cli
