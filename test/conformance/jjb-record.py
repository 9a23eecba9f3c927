#!/usr/bin/env python3
"""What Jenkins Job Builder itself makes of files, for the comparison with us.

    record.py table DIR > table.txt         every job below DIR: name, sha256 of its canonical JSON, bytes
    record.py cases FOLDER OUT [FILE...]    one case file in OUT for every YAML file (paths are relative to FOLDER)
    record.py time DIR                      seconds from the files to the jobs

Runs with whatever jenkins-job-builder the interpreter has: Debian's 3.11 (apt-get install jenkins-job-builder) has the rules
of 2.x, PyPI's 5 and 6 have those of `compat: 6`.
"""
import hashlib
import json
import logging
import os
import resource
import sys
import time

from jenkins_jobs.config import JJBConfig
from jenkins_jobs.errors import JenkinsJobsException

try:
    from jenkins_jobs.loader import load_files
    from jenkins_jobs.roots import Roots
    MODERN = True
except ImportError:
    from jenkins_jobs.formatter import deep_format
    from jenkins_jobs.local_yaml import Jinja2Loader
    from jenkins_jobs.parser import YamlParser
    MODERN = False

LISTS = {
    "parameter": "parameters", "property": "properties", "scm": "scm", "trigger": "triggers", "wrapper": "wrappers",
    "builder": "builders", "publisher": "publishers", "reporter": "reporters", "notification": "notifications",
}
MORE = {"prebuilders": "builder", "postbuilders": "builder"}


class NoModules:
    """Stands where the registry of XML modules stood: nothing of it is needed before there is XML."""
    modules = []


def settings(config):
    ini = JJBConfig(config_filename=config)
    ini.validate()
    return ini


def legacy(paths, config):
    parser = YamlParser(settings(config))
    parser.load_files(paths)
    jobs, _ = parser.expandYaml(NoModules, [])
    before = json.loads(dumps(jobs))

    def dispatch(kind, component, params, out):
        if isinstance(component, dict):
            name, data = next(iter(component.items()))
            if params or isinstance(data, Jinja2Loader):
                data = deep_format(data, params, parser.jjb_config.yamlparser["allow_empty_variables"])
        else:
            name, data = component, {}
        macro = parser.data.get(kind, {}).get(name)
        if macro is None:
            out.append({name: data})
        else:
            for inner in macro[LISTS[kind]]:
                dispatch(kind, inner, data, out)

    return before, [inlined(job, dispatch) for job in jobs]


def modern(paths, config):
    from pathlib import Path
    ini = settings(config)
    roots = Roots(ini)
    load_files(ini, roots, [Path(path) for path in paths])
    jobs = [job.data for job in roots.generate_jobs()]
    before = json.loads(dumps(jobs))

    class Recorder:
        def __init__(self, out, job):
            self.out, self.job = out, job

        def dispatch(self, kind, xml, component, template=None, job_data=None, component_pos=None):
            if isinstance(component, dict):
                name, data = next(iter(component.items()))
            else:
                name, data = component, {}
            macro = roots.macros.get(kind, {}).get(name)
            if macro is None:
                self.out.append({name: data})
                return
            params = {**(data or {}), **(job_data or {})}
            macro.dispatch_elements(self, xml, data, job_data, params)

    def run(job):
        result = dict(job)
        for name, kind in [*((v, k) for k, v in LISTS.items()), *MORE.items()]:
            if isinstance(job.get(name), list):
                out = []
                for component in job[name]:
                    Recorder(out, job).dispatch(kind, None, component, {}, job_data=job)
                result[name] = out
        return result

    return before, [run(job) for job in jobs]


def inlined(job, dispatch):
    result = dict(job)
    for name, kind in [*((v, k) for k, v in LISTS.items()), *MORE.items()]:
        if isinstance(job.get(name), list):
            out = []
            for component in job[name]:
                dispatch(kind, component, {}, out)
            result[name] = out
    return result


def plain(value):
    return repr(value) if type(value).__module__.startswith("jenkins_jobs") else str(value)


def dumps(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=plain)


def expand(paths, config=None):
    return modern(paths, config) if MODERN else legacy(paths, config)


def table(folder):
    paths = sorted(os.path.join(top, name) for top, _, names in os.walk(folder) for name in names
                   if name.endswith((".yaml", ".yml")))
    for job in expand(paths)[1]:
        data = dumps(job).encode()
        print(f"{job['name']}\t{hashlib.sha256(data).hexdigest()}\t{len(data)}")


def cases(folder, out, files):
    os.makedirs(out, exist_ok=True)
    out = os.path.abspath(out)
    os.chdir(folder)
    for file in files or sorted(os.path.relpath(os.path.join(top, name)) for top, _, names in os.walk(".")
                                for name in names if name.endswith(".yaml")):
        config = file.rsplit(".", 1)[0] + ".conf"
        config = config if os.path.exists(config) else None
        case = {"input": file, "config": config, "compat": 6 if MODERN else 2}
        try:
            case["jobs_before_macros"], case["jobs"] = expand([file], config)
        except Exception as error:
            case["error"] = {"type": type(error).__name__, "message": str(error).split("\n")[0]}
        with open(os.path.join(out, file.replace("/", "__").rsplit(".", 1)[0] + ".json"), "w") as target:
            json.dump(case, target, indent=1, ensure_ascii=False, default=plain)
            target.write("\n")


def main():
    logging.disable(logging.CRITICAL)
    mode, *args = sys.argv[1:]
    if mode == "table":
        table(args[0])
    elif mode == "cases":
        cases(args[0], args[1], args[2:])
    elif mode == "time":
        start = time.perf_counter()
        paths = sorted(os.path.join(top, name) for top, _, names in os.walk(args[0]) for name in names
                       if name.endswith((".yaml", ".yml")))
        _, jobs = expand(paths)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(json.dumps({"jobs": len(jobs), "seconds": round(time.perf_counter() - start, 3), "MB": memory}))


if __name__ == "__main__":
    import warnings
    warnings.simplefilter("ignore")
    main()
