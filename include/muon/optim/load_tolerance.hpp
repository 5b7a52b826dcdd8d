// muon/optim/load_tolerance.hpp: what may differ between a file and what it is loaded into.
#pragma once

namespace muon {

/// Which differences loading accepts. Shapes must always be equal.
struct LoadTolerance {
  /// the file lacks a part or a tensor: that stays as it is, and optimizer state starts anew
  bool missing = false;
  bool extra = false;  ///< the file has more: that is ignored
  bool dtype = false;  ///< tensors of another dtype are converted
  /// the optimizer's and the schedule's own options are kept, learning rate and momentum included
  bool options = false;
};

}  // namespace muon
