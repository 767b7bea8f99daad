// The chip is checked before anything else.
// RUN: twilight-opt %s --convert-twilight-to-gpu=chip=sm_70 --verify-diagnostics

// expected-error @+1 {{unknown chip 'sm_70'; expected one of sm_80, sm_86, sm_89, sm_90a, sm_100a, sm_120a}}
module {
}
