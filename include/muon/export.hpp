// muon/export.hpp: which symbols a shared library shows. Everything else in it is hidden.
#pragma once

#if defined(__GNUC__)
#define MUON_API __attribute__((visibility("default")))
#else
#define MUON_API
#endif
