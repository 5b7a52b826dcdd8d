#include "train/train_options.hpp"

#include "cli/checks.hpp"
#include "cli/choice_option.hpp"
#include "train/make_optimizer.hpp"
#include "train/model_options.hpp"
#include "train/models/model.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace cli {
namespace {

// One function for each group of the help.

void add_what_to_train(CLI::App& command, TrainOptions& o) {
  command.option_defaults()->group("What to train");
  command.add_option("--model", o.model, "The network")
      ->check(CLI::IsMember(model_names()))
      ->capture_default_str();
  command.add_option("--data", o.data,
                     "Images: mnist (comes with the program), random (random inputs and labels), "
                     "or a folder like MNIST's. gpt: moby_dick (comes with the program), random, a "
                     "text file, or a folder of them; gzipped or not [mnist; gpt: moby_dick]");
}

/// "[muon 0.02, adamw 0.001, sgd 0.1]": what `value` is for each optimizer when it is not given.
std::string defaults(double (*value)(const TrainOptions&)) {
  std::string text;
  for (const auto& [word, kind] : words<OptimizerKind>()) {
    TrainOptions unset;
    unset.optimizer = kind;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", word, value(unset));
  }
  return "[" + text + "]";
}

void add_rates_and_momentum(CLI::App& command, TrainOptions& o) {
  command.add_option("--lr", o.lr, "Learning rate of --optimizer " + defaults(learning_rate))
      ->check(check_at_least_zero);
  command
      .add_option("--adamw-lr", o.adamw_lr,
                  fmt::format("Learning rate of the AdamW beside Muon [{}]", aux_learning_rate(o)))
      ->check(check_at_least_zero);
  command
      .add_option("--weight-decay", o.weight_decay,
                  "Decoupled: a parameter shrinks by lr * weight-decay a step (sgd: added to the "
                  "gradient) " +
                      defaults(weight_decay))
      ->check(check_at_least_zero);
  command
      .add_option("--momentum", o.momentum,
                  fmt::format("Momentum of Muon and SGD, 0 <= momentum < 1 [{}]", momentum(o)))
      ->check(check_momentum);
  command
      .add_option("--momentum-warmup", o.momentum_warmup,
                  "Steps over which Muon's momentum rises from 0.85 to --momentum; 0: none")
      ->check(check_count_or_zero)
      ->capture_default_str();
}

void add_optimizer(CLI::App& command, TrainOptions& o) {
  command.option_defaults()->group("Optimizer");
  add_choice(command, "--optimizer", o.optimizer,
             "muon (with AdamW for the other parameters), adamw, or sgd");
  add_rates_and_momentum(command, o);
  add_choice(command, "--adjust-lr", o.adjust_lr,
             "How Muon's lr is scaled to a matrix of rows x cols");
  add_choice(command, "--method", o.method,
             "How Muon orthogonalizes: automatic, dwh2 on a CPU and jordan elsewhere; jordan or "
             "polar_express, five "
             "Newton-Schulz steps; dwh2, two rational steps, faster and "
             "nearer to orthogonal; zolotarev2 or zolotarev3, one rational function, faster still");
  command
      .add_option("--assign", o.assign,
                  "GLOB=muon|adamw|freeze for parameters by name, before the built-in rules; "
                  "repeatable: 'fc2.*=adamw'")
      ->allow_extra_args(false)
      ->type_name("GLOB=WHAT");
  command
      .add_option("--clip", o.clip,
                  "Scale the gradients down to this norm, that of all of them as one vector; 0: do "
                  "not. --gradients and --track show them scaled [0; gpt: 1]")
      ->check(check_at_least_zero);
}

void add_schedule(CLI::App& command, TrainOptions& o) {
  command.option_defaults()->group("Schedule");
  add_choice(command, "--schedule", o.schedule,
             "Learning rates over the run: constant, cosine to 0, or wsd (stable, then a line to 0 "
             "over the last fifth)");
  command
      .add_option("--warmup", o.warmup,
                  "Steps of linear warm-up before it [0; gpt: 30, at most half of --steps]")
      ->check(check_count_or_zero);
  command.add_option("--epochs", o.epochs, "Passes over the training images")
      ->check(check_count)
      ->capture_default_str();
  command.add_option("--steps", o.steps, "Optimizer steps, instead of --epochs [gpt: 300]")
      ->check(check_count)
      ->excludes("--epochs");
  command
      .add_option("--batch-size", o.batch_size, "Images a step, or windows of text [128; gpt: 16]")
      ->check(check_count);
  command
      .add_option("--seed", o.seed,
                  "Seed of weights and order. Same seed, same machine, --threads 1: the same "
                  "losses to the last bit")
      ->check(check_count_or_zero)
      ->capture_default_str();
}

void add_machine(CLI::App& command, TrainOptions& o) {
  command.option_defaults()->group("Machine");
  add_choice(command, "--dtype", o.dtype,
             "Of weights and activations; what would be denormal is zero, which is faster");
  command.add_option("--device", o.device, "cpu, cuda, or cuda:N")->capture_default_str();
  command
      .add_option("--threads", o.threads,
                  "Processor threads; 0: OMP_NUM_THREADS, or one a processor, at most 8")
      ->check(CLI::Range(0, 1024).description("0 to 1024"))
      ->capture_default_str();
}

void add_stopping_and_resuming(CLI::App& command, TrainOptions& o) {
  command.option_defaults()->group("Stopping and resuming");
  command
      .add_option("--checkpoint", o.checkpoint,
                  "Folder for checkpoints [checkpoints in the run's folder]")
      ->type_name("DIR");
  command
      .add_option("--save-every", o.save_every,
                  "Save a checkpoint every N steps and at the end; 0: only when stopped")
      ->check(check_count_or_zero)
      ->capture_default_str();
  command.add_option("--keep", o.keep, "How many checkpoints stay; 0: all")
      ->check(CLI::Range(0, 1000000).description("0 or more"))
      ->capture_default_str();
  CLI::Option* const resume =
      command
          .add_option("--resume", o.resume,
                      "Resume from a checkpoint, or from the newest one in a folder or in a run's "
                      "folder; without a value, from the newest stopped run. Give the run's other "
                      "options again. More --steps or --epochs make the run longer, as if it had "
                      "had this length from the start, if its learning rates so far do not depend "
                      "on the length: --schedule constant at any time, wsd before its decay")
          ->expected(0, 1)
          ->default_str("latest")
          ->type_name("[FILE|DIR]");
  command
      .add_flag("--extend", o.extend,
                "Resume with another length although the learning rates so far depend on it "
                "(cosine, or wsd in its decay): the learning rate jumps to the value that the "
                "schedule of the new length has at that step")
      ->needs(resume);
}

void add_tracking(CLI::App& command, TrainOptions& o) {
  command.option_defaults()->group("Tracking");
  add_choice(command, "--track", o.track,
             "Write the run to its folder for wandb (offline; then `wandb sync` or `wandb leet`), "
             "tensorboard or jsonl; several with commas");
  add_choice(
      command, "--watch", o.watch,
      "Log a histogram and a norm for each parameter: of gradients, parameters, or all; needs "
      "--track");
  command
      .add_option("--log-every", o.log_every,
                  "Steps between rows of loss, learning rates, gradient and update norms, and what "
                  "is watched")
      ->check(check_count)
      ->capture_default_str();
  command.add_option("--project", o.project, "Project of the tracked run [WANDB_PROJECT]");
  command.add_option("--name", o.name,
                     "Name of the tracked run [WANDB_NAME, or the folder's name]");
}

void add_output(CLI::App& command, TrainOptions& o) {
  command.option_defaults()->group("Output");
  command.add_flag("--plan-only", o.plan_only, "Print the plan, and stop");
  command
      .add_option("--gradients", o.gradients,
                  "Print each parameter's gradient shape and norm after every Nth step; without N, "
                  "after the first of each epoch, or of gpt after each validation. "
                  "Off unless given")
      ->expected(0, 1)
      ->default_str("0")
      ->check(check_count_or_zero)
      ->type_name("[N]");
  command
      .add_option("--run-dir", o.run_dir,
                  "Folder for the trained model and the summary [runs/TIME-MODEL]")
      ->type_name("DIR");
  command
      .add_option(
          "--summary", o.summary,
          "Also write the summary here: one JSON object with plan, options, and results per epoch")
      ->type_name("FILE");
}

}  // namespace

void add_train_options(CLI::App& command, TrainOptions& o) {
  command.footer(
      "A data folder holds train-images-idx3-ubyte, train-labels-idx1-ubyte, "
      "t10k-images-idx3-ubyte and\n"
      "t10k-labels-idx1-ubyte, gzipped or not, such as Fashion-MNIST or KMNIST. A text is read as "
      "bytes, and its\n"
      "last tenth is held out; of a folder, the files are read in the order of their names.\n\n"
      "Examples:\n"
      "  muon train                                        small_net on MNIST, 5 epochs\n"
      "  muon train --model convnet --epochs 3\n"
      "  muon train --model gpt --sample 'The whale '       a language model on Moby-Dick, 300 "
      "steps\n"
      "  muon train --model gpt --data FILE --layers 6 --width 192 --heads 6 --steps 1000\n"
      "  muon train --data random --steps 20 --gradients 1 random inputs and labels, with the "
      "norm of each gradient\n"
      "  muon train --plan-only --assign 'fc2.weight=muon' the plan alone, with a rule\n"
      "  muon train --data ~/fashion-mnist --summary result.json\n"
      "  muon train --epochs 20 --save-every 1000          Ctrl-C finishes the step, saves, and "
      "prints how to resume\n"
      "  muon train --schedule wsd --epochs 9 --resume DIR resume a run of fewer epochs, "
      "stopped before its decay, to make it longer\n"
      "  muon train --track tensorboard,wandb --watch gradients");
  command.callback([&command, &o] { fit_to_model(command, o); });
  add_what_to_train(command, o);
  add_language_model_options(command, o);
  add_optimizer(command, o);
  add_schedule(command, o);
  add_machine(command, o);
  add_stopping_and_resuming(command, o);
  add_tracking(command, o);
  add_output(command, o);
}

}  // namespace cli
