/* A stand-in for libnvidia-ml.so.1: the few functions that the reader asks, told what to say by
 * FAKE_NVML. It lets the real pynvml be tested on machines without a GPU, and with faults that no
 * healthy machine shows. FAKE_NVML_PID is the process that holds memory on device 0. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, UNINITIALIZED = 1, NOT_SUPPORTED = 3, INSUFFICIENT_SIZE = 7, DRIVER_NOT_LOADED = 9,
       GPU_IS_LOST = 15, LIB_RM_VERSION_MISMATCH = 18 };

#define GIB (1024ull * 1024 * 1024)
#define NOT_AVAILABLE (~0ull)

typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned gpu, memory; } utilization_t;
typedef struct {
    unsigned pid;
    unsigned long long used;
    unsigned gpu_instance, compute_instance;
} process_t;

static int looks = 0;

static int scenario(const char *name) {
    const char *value = getenv("FAKE_NVML");
    return value != NULL && strcmp(value, name) == 0;
}

static unsigned holder(void) {
    const char *value = getenv("FAKE_NVML_PID");
    return value == NULL ? 1 : (unsigned)atoi(value);
}

static int lost(void *device) {
    return (scenario("lost") || (scenario("lost-later") && looks > 1)) && device == (void *)2;
}

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    if (scenario("mismatch")) return LIB_RM_VERSION_MISMATCH;
    if (scenario("no-driver")) return DRIVER_NOT_LOADED;
    return SUCCESS;
}

int nvmlShutdown(void) { return SUCCESS; }

const char *nvmlErrorString(int code) { (void)code; return "a fake's error"; }

int nvmlDeviceGetCount_v2(unsigned *count) {
    *count = scenario("no-device") ? 0 : 2;
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    *device = (void *)(unsigned long)(index + 1);
    return lost(*device) ? GPU_IS_LOST : SUCCESS;
}

int nvmlDeviceGetName(void *device, char *name, unsigned length) {
    strncpy(name, device == (void *)1 ? "Fake A100" : "Fake T4", length);
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(void *device, memory_t *memory) {
    if (device == (void *)1) looks++;
    if (scenario("hang")) sleep(600);
    if (scenario("uninitialised")) return UNINITIALIZED;
    if (lost(device)) return GPU_IS_LOST;
    if (scenario("not-supported")) return NOT_SUPPORTED;
    memory->total = 16 * GIB;
    memory->used = scenario("full") ? 16 * GIB : 5 * GIB;
    memory->free = memory->total - memory->used;
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(void *device, utilization_t *rates) {
    if (lost(device)) return GPU_IS_LOST;
    if (scenario("not-supported")) return NOT_SUPPORTED;
    rates->gpu = device == (void *)1 ? 97 : 0;
    rates->memory = 40;
    return SUCCESS;
}

static int list(void *device, unsigned *count, process_t *processes, unsigned long long used) {
    if (lost(device)) return GPU_IS_LOST;
    if (scenario("not-supported")) return NOT_SUPPORTED;
    if (device != (void *)1 || scenario("nobody")) { *count = 0; return SUCCESS; }
    if (processes == NULL || *count < 2) { *count = 2; return INSUFFICIENT_SIZE; }
    memset(processes, 0, 2 * sizeof *processes);
    processes[0].pid = holder();
    processes[0].used = scenario("na") ? NOT_AVAILABLE : used;
    /* A process of nobody: beyond the largest pid that Linux gives. */
    processes[1].pid = 2000000000u;
    processes[1].used = 1 * GIB;
    *count = 2;
    return SUCCESS;
}

#ifdef OLD_DRIVER
#define COMPUTE nvmlDeviceGetComputeRunningProcesses_v2
#define GRAPHICS nvmlDeviceGetGraphicsRunningProcesses_v2
#else
#define COMPUTE nvmlDeviceGetComputeRunningProcesses_v3
#define GRAPHICS nvmlDeviceGetGraphicsRunningProcesses_v3
#endif

int COMPUTE(void *device, unsigned *count, process_t *processes) {
    return list(device, count, processes, 3 * GIB);
}

int GRAPHICS(void *device, unsigned *count, process_t *processes) {
    return list(device, count, processes, 2 * GIB);
}
