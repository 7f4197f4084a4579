"""OneRoster CSV zips, as a student information system exports them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

# As a 1.1 export has it: statuses and dates are empty in a whole set.
BULK = {
    "orgs": "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\ns1,,,School,school,1,\n",
    "academicSessions": "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear\n"
    "t1,,,Autumn,term,2026-08-15,2026-12-20,,2027\n"
    "t2,,,Spring,term,2027-01-07,2027-06-20,,2027\n",
    "courses": "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes\n"
    "c1,,,,Mathematics,MA,09,s1,\"Maths,Algebra\",\n",
    "classes": "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,"
    "termSourcedIds,subjects,subjectCodes,periods\n"
    'm1,,,"Maths ""1a"", early","09,10",c1,MA-1a,scheduled,Room 4,s1,"t1,t2",,,1\n'
    "m2,,,Maths 1b,09,c1,MA-1b,scheduled,,s1,t1,,,2\n",
    "users": "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,"
    "identifier,email,sms,phone,agentSourcedIds,grades,password\n"
    "u1,,,true,s1,student,anna,,Anna,Ahn,,P-1,anna@example.org,,,,09,\n"
    "u2,,,true,s1,student,ben,,Ben,Bo,,P-2,ben@example.org,,,,09,\n"
    "t9,,,true,s1,teacher,tess,,Tess,Tan,,P-9,tess@example.org,,,,,\n",
    "enrollments": "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate\n"
    "e1,,,m1,s1,u1,student,false,2026-08-15,2027-06-20\n"
    "e2,,,m1,s1,u2,student,false,2026-08-15,2027-06-20\n"
    "e9,,,m1,s1,t9,teacher,true,,\n",
    "categories": "sourcedId,status,dateLastModified,title\nk1,,,Tests\n",
    "lineItems": "sourcedId,status,dateLastModified,title,description,assignDate,dueDate,classSourcedId,categorySourcedId,"
    "gradingPeriodSourcedId,resultValueMin,resultValueMax\n"
    "l1,,,Test,,2026-09-01,2026-09-30,m1,k1,t1,0,20\n"
    "l2,,,Essay,,2026-09-01,2026-10-30,m1,k1,t1,0,10\n",
    "results": "sourcedId,status,dateLastModified,lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate,comment\n"
    "r1,,,l1,u1,fully graded,15,2026-09-30,\n"
    "r2,,,l1,u2,partially graded,,2026-09-30,\n",
}  # fmt: skip


def header(name: str) -> str:
    return BULK[name].splitlines()[0] + "\n"


def packed(files: Mapping[str, str | bytes], modes: Mapping[str, str] | None, version: str = "1.1", folder: str = "") -> bytes:  # fmt: skip
    """A zip with these files, and a manifest where ``modes`` are told."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(f"{folder}{name}.csv", content)
        if modes is not None:
            told = {"manifest.version": "1.0", "oneroster.version": version} | {f"file.{k}": v for k, v in modes.items()}  # fmt: skip
            file.writestr(
                f"{folder}manifest.csv",
                "propertyName,value\n" + "".join(f"{k},{v}\n" for k, v in told.items()),
            )
    return buffer.getvalue()
