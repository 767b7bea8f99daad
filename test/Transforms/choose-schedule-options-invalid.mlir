// Options that mean nothing are refused before any op is looked at.
// RUN: not twilight-opt %s --twilight-choose-schedule=chip=sm_75 2>&1 | FileCheck %s --check-prefix=CHIP
// RUN: not twilight-opt %s --twilight-choose-schedule=batch=-1 2>&1 | FileCheck %s --check-prefix=BATCH
// RUN: not twilight-opt %s --twilight-choose-schedule=table=%t.missing 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: echo '{"twilight_tuning_table": 1, "rows": [{"chip": "sm_90a"}]}' > %t.json
// RUN: not twilight-opt %s --twilight-choose-schedule=table=%t.json 2>&1 | FileCheck %s --check-prefix=ROW
// RUN: not twilight-opt %s --twilight-choose-schedule="schedule='#twilight.schedule<block, splits = 2>'" 2>&1 | FileCheck %s --check-prefix=SCHEDULE
// RUN: not twilight-opt %s --twilight-choose-schedule="schedule='#twilight.all'" 2>&1 | FileCheck %s --check-prefix=OTHER

// CHIP: error: unknown chip 'sm_75'; expected one of sm_80, sm_86, sm_89, sm_90a, sm_100a, sm_120a
// BATCH: error: batch must be a number to expect, or 0 where it is not known, found -1
// MISSING: error: cannot read the tuning table '{{.*}}.missing': {{N|n}}o such file
// ROW: error: {{.*}}.json: row 1: expected 'batch' to be a positive integer, found nothing
// SCHEDULE: error: '#twilight.schedule<block, splits = 2>' is no schedule: expected an attribute such as #twilight.schedule<block, cluster = 2>; a schedule of shape block has cluster, spread, warps, select_warps, resident, origin; found 'splits'
// OTHER: error: '#twilight.all' is no schedule: expected an attribute such as #twilight.schedule<block, cluster = 2>{{$}}
module {}
