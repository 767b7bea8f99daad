// Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Chip.h"

#include <cctype>

namespace twilight::runtime {

bool Chip::runsOn(int deviceMajor, int deviceMinor) const {
  if (suffix == 'a')
    return deviceMajor == major && deviceMinor == minor;
  if (suffix == 'f')
    return deviceMajor == major && deviceMinor >= minor;
  return deviceMajor > major || (deviceMajor == major && deviceMinor >= minor);
}

std::string Chip::requirement() const {
  std::string version = std::to_string(major) + "." + std::to_string(minor);
  if (suffix == 'a')
    return "compute capability " + version + " exactly";
  if (suffix == 'f')
    return "compute capability " + version + " or a later " + std::to_string(major) + ".x";
  return "compute capability " + version + " or later";
}

std::optional<Chip> parseChip(std::string_view name) {
  if (name.substr(0, 3) != "sm_")
    return std::nullopt;
  name.remove_prefix(3);
  Chip chip;
  if (!name.empty() && (name.back() == 'a' || name.back() == 'f')) {
    chip.suffix = name.back();
    name.remove_suffix(1);
  }
  if (name.size() < 2 || name.size() > 3)
    return std::nullopt;
  int number = 0;
  for (char digit : name) {
    if (!std::isdigit(static_cast<unsigned char>(digit)))
      return std::nullopt;
    number = 10 * number + (digit - '0');
  }
  chip.major = number / 10;
  chip.minor = number % 10;
  return chip;
}

std::optional<PtxVersion> parsePtxVersion(std::string_view text) {
  size_t dot = text.find('.');
  if (dot == 0 || dot == std::string_view::npos || dot > 2 || text.size() - dot < 2 || text.size() - dot > 3)
    return std::nullopt;
  PtxVersion version;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i == dot)
      continue;
    if (!std::isdigit(static_cast<unsigned char>(text[i])))
      return std::nullopt;
    int &part = i < dot ? version.major : version.minor;
    part = 10 * part + (text[i] - '0');
  }
  return version;
}

int requiredDriverVersion(PtxVersion ptx) {
  struct Row {
    PtxVersion ptx;
    int driver;
  };
  static constexpr Row rows[] = {{{8, 4}, 12040}, {{8, 5}, 12050}, {{8, 6}, 12070}, {{8, 7}, 12080},
                                 {{8, 8}, 12090}, {{9, 0}, 13000}, {{9, 1}, 13010}};
  for (const Row &row : rows)
    if (row.ptx == ptx)
      return row.driver;
  if (ptx.major == 7 && ptx.minor <= 8) // 7.0 came with CUDA 11.0, 7.8 with 11.8
    return 11000 + 10 * ptx.minor;
  if (ptx.major == 8 && ptx.minor < 4) // 8.0 came with CUDA 12.0
    return 12000 + 10 * ptx.minor;
  return 0;
}

std::string driverVersionText(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

} // namespace twilight::runtime
