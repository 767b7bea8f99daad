// RUN: not twilight-opt %s --twilight-fuse=dense-below=-1 2>&1 | FileCheck %s
// CHECK: error: dense-below must be a number of tokens, or 0 for none, found -1
