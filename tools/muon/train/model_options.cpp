#include "train/model_options.hpp"

#include "cli/checks.hpp"
#include "train/models/model.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace cli {
namespace {

constexpr const char* of_language_models[] = {"--layers",  "--width",      "--heads",
                                              "--context", "--tied",       "--eval-every",
                                              "--sample",  "--temperature"};

void add_size(CLI::App& command, const char* name, std::int64_t& value, std::int64_t most,
              const char* help) {
  command.add_option(name, value, help)
      ->check(CLI::Range(std::int64_t{1}, most).description(fmt::format("1 to {}", most)))
      ->capture_default_str();
}

void check_shape(const GptShape& shape) {
  if (shape.width % shape.heads != 0 || shape.width / shape.heads % 2 != 0) {
    throw CLI::ValidationError(
        "--width", fmt::format("{} over --heads {} must be a whole, even number of values a head, "
                               "which rotary positions turn in pairs",
                               shape.width, shape.heads));
  }
}

void fit_to_text(const CLI::App& command, TrainOptions& o) {
  if (command.count("--epochs") > 0) {
    throw CLI::ValidationError(
        "--epochs",
        fmt::format("--model {} samples its text and has no epochs; give --steps", o.model));
  }
  check_shape(o.gpt);
  if (command.count("--data") == 0) o.data = "moby_dick";
  if (command.count("--batch-size") == 0) o.batch_size = 16;
  if (command.count("--clip") == 0) o.clip = 1;
  if (!o.steps) o.steps = 300;
  if (command.count("--warmup") == 0) o.warmup = std::min<std::int64_t>(30, *o.steps / 2);
}

void fit_to_images(const CLI::App& command, const TrainOptions& o) {
  for (const char* name : of_language_models) {
    if (command.count(name) > 0) {
      throw CLI::ValidationError(
          name, fmt::format("--model {} learns images; this is an option of --model gpt", o.model));
    }
  }
}

}  // namespace

void add_language_model_options(CLI::App& command, TrainOptions& o) {
  command.option_defaults()->group("Language model (--model gpt)");
  add_size(command, "--layers", o.gpt.layers, 1000, "Blocks of attention and MLP");
  add_size(command, "--width", o.gpt.width, 65536,
           "Of the residual stream; the MLP has four times");
  add_size(command, "--heads", o.gpt.heads, 65536, "Of attention");
  add_size(command, "--context", o.gpt.context, 1 << 20, "Bytes that it sees");
  command.add_flag("--tied", o.gpt.tied, "The embedding's table is the output head too");
  command
      .add_option("--eval-every", o.eval_every,
                  "Steps from one validation to the next; the last step is followed by one too")
      ->check(check_count)
      ->capture_default_str();
  CLI::Option* const sample =
      command
          .add_option("--sample", o.sample,
                      "Let the trained model continue TEXT by 400 bytes; what a terminal would not "
                      "show is printed as an escape")
          ->type_name("TEXT");
  command.add_option("--temperature", o.temperature, "Of the sample; 0: always the likeliest byte")
      ->check(check_at_least_zero)
      ->capture_default_str()
      ->needs(sample);
}

void fit_to_model(const CLI::App& command, TrainOptions& o) {
  if (is_language_model(o.model)) {
    fit_to_text(command, o);
  } else {
    fit_to_images(command, o);
  }
}

}  // namespace cli
