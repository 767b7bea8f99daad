// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Which devices run a chip's code, and which drivers read a PTX version.
#ifndef TWILIGHT_RUNTIME_CHIP_H
#define TWILIGHT_RUNTIME_CHIP_H

#include <optional>
#include <string>
#include <string_view>

namespace twilight::runtime {

// PTX for "sm_80" runs on that compute capability and every later one; "sm_90a" (architecture-specific) on exactly
// that one; "sm_100f" (family-specific) on that major version from that minor on. PTX ISA, ".target".
struct Chip {
  int major = 0, minor = 0;
  char suffix = 0; // 0, 'a' or 'f'

  bool runsOn(int deviceMajor, int deviceMinor) const;
  std::string requirement() const; // "compute capability 9.0 exactly"
};

std::optional<Chip> parseChip(std::string_view name);

struct PtxVersion {
  int major = 0, minor = 0;
  bool operator==(const PtxVersion &other) const { return major == other.major && minor == other.minor; }
};

std::optional<PtxVersion> parsePtxVersion(std::string_view text);

// The first CUDA driver version (as cuDriverGetVersion counts) that reads this PTX; 0 for one we do not know, which
// the driver must then judge itself. PTX ISA, "Release Notes".
int requiredDriverVersion(PtxVersion ptx);

std::string driverVersionText(int version); // 12040 -> "12.4"

} // namespace twilight::runtime

#endif
