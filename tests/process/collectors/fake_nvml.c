/* A stand-in for libnvidia-ml.so.1: the few functions that the reader asks, told what to say by
 * FAKE_NVML. It lets the real pynvml be tested on machines without a GPU, and with faults that no
 * healthy machine shows. FAKE_NVML_PID is the process that holds memory on device 0, and
 * FAKE_NVML_OTHER another one that holds more. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, UNINITIALIZED = 1, NOT_SUPPORTED = 3, NO_PERMISSION = 4, INSUFFICIENT_SIZE = 7,
       DRIVER_NOT_LOADED = 9, GPU_IS_LOST = 15, RESET_REQUIRED = 16, LIB_RM_VERSION_MISMATCH = 18,
       UNKNOWN = 999 };

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

static int is_set(const char *name) { return getenv(name) != NULL; }

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
    *count = scenario("no-device") ? 0 : scenario("eight") ? 8 : 2;
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    *device = (void *)(unsigned long)(index + 1);
    /* What remains of a device after Xid 79 on some machines, and one that a container may not use. */
    if (index == 1 && scenario("unknown")) return UNKNOWN;
    if (index == 1 && scenario("forbidden")) return NO_PERMISSION;
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
    if (scenario("reset") && device == (void *)2) return RESET_REQUIRED;
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

/* Device memory that the faults of "sick" sit in: the first device's. */
static int sick(void *device) { return scenario("sick") && device == (void *)1; }

int nvmlDeviceGetTotalEccErrors(void *device, int type, int counter, unsigned long long *count) {
    if (lost(device)) return GPU_IS_LOST;
    if (scenario("not-supported") || scenario("no-ecc")) return NOT_SUPPORTED;
    /* Corrected ones (0), and those of the device's whole life (1), are no fault of today. */
    *count = type == 1 && counter == 0 ? (sick(device) ? 3 : 0) : 1000;
    return SUCCESS;
}

int nvmlDeviceGetRetiredPagesPendingStatus(void *device, int *pending) {
    if (lost(device)) return GPU_IS_LOST;
    if (scenario("not-supported") || scenario("no-ecc")) return NOT_SUPPORTED;
    *pending = sick(device);
    return SUCCESS;
}

int nvmlDeviceGetRemappedRows(void *device, unsigned *correctable, unsigned *uncorrectable,
                              unsigned *pending, unsigned *failed) {
    if (lost(device)) return GPU_IS_LOST;
    if (scenario("not-supported") || scenario("no-ecc")) return NOT_SUPPORTED;
    *correctable = *uncorrectable = 2; /* done, and no fault any more */
    *pending = 0;
    *failed = sick(device);
    return SUCCESS;
}

static int list(void *device, unsigned *count, process_t *processes, unsigned long long used) {
    unsigned number = scenario("crowd") ? 60 : is_set("FAKE_NVML_OTHER") ? 3 : 2;
    if (lost(device)) return GPU_IS_LOST;
    if (scenario("not-supported")) return NOT_SUPPORTED;
    if (device != (void *)1 || scenario("nobody")) { *count = 0; return SUCCESS; }
    if (processes == NULL || *count < number) { *count = number; return INSUFFICIENT_SIZE; }
    memset(processes, 0, number * sizeof *processes);
    processes[0].pid = holder();
    /* Under Windows the driver does not know how much a process holds (WDDM). */
    processes[0].used = scenario("na") ? NOT_AVAILABLE : used;
    /* Processes of nobody: beyond the largest pid that Linux gives. */
    for (unsigned i = 1; i < number; i++) {
        processes[i].pid = 2000000000u + i - 1;
        processes[i].used = 1 * GIB + (i - 1) * 1024;
    }
    if (is_set("FAKE_NVML_OTHER")) {
        processes[2].pid = (unsigned)atoi(getenv("FAKE_NVML_OTHER"));
        processes[2].used = 4 * GIB;
    }
    *count = number;
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
