// muon/export.hpp: which symbols a shared library exports. All others are hidden.
#pragma once

#if defined(__GNUC__)
#define MUON_API __attribute__((visibility("default")))
#else
#define MUON_API
#endif
